"""Schemas of custom kinds, read from CustomResourceDefinition files and made strict: unknown fields are errors.

The definitions belong to their projects and are not kept here; CRD_SCHEMAS names a directory with them.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

Schema = dict[str, Any]


def validate_custom(document: dict[str, Any]) -> None:
    """Raises where the object is not what its definition says; skips where the definition is not at hand."""
    kind, version = document["kind"], document["apiVersion"]
    schema = schemas().get((version, kind))
    if schema is None:
        pytest.skip(f"no CustomResourceDefinition of {version} {kind}: set CRD_SCHEMAS to a directory that has it")
    jsonschema.Draft202012Validator(schema).validate(document)


@cache
def schemas() -> dict[tuple[str, str], Schema]:
    directory = os.environ.get("CRD_SCHEMAS", "")
    found = {}
    for path in Path(directory).glob("*.yaml") if directory else ():
        definition = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        spec = definition["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = strict(version["schema"]["openAPIV3Schema"])
            found[key]["properties"]["metadata"] = {"type": "object"}
    return found


def strict(schema: Schema) -> Schema:
    """Closes every object that lists its properties, and translates what Kubernetes adds to JSON Schema."""
    result = {name: value for name, value in schema.items() if name != "format"}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        result["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    return result

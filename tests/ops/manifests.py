"""Renders the combinations of overlays and components that the README names, with the kustomize inside kubectl."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.ops.tools import ROOT, run, tool

K8S = ROOT / "k8s"
COMBINATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cpu": ("overlays/cpu", ()),
    "cpu with a claim": ("overlays/cpu", ("models-pvc",)),
    "cpu with everything": (
        "overlays/cpu",
        ("models-init", "hpa", "pod-monitor", "prometheus-rule", "tls", "tls-pod", "tokens", "tracing"),
    ),
    "gpu": ("overlays/gpu", ()),
    "gpu with a claim": ("overlays/gpu", ("models-pvc", "keda")),
    "gpu with everything": (
        "overlays/gpu",
        ("models-image", "keda", "pod-monitor", "prometheus-rule", "tls", "tracing"),
    ),
    "kserve": ("components/kserve", ()),
    "monitoring": ("monitoring", ()),
    "batch by an indexed job": ("batch/indexed-job", ()),
    "batch by Ray": ("batch/ray-job", ()),
    "training": ("training/single", ()),
    "training on several nodes": ("training/distributed", ()),
}


@cache
def rendered(combination: str, scratch: Path) -> tuple[dict[str, Any], ...]:
    """The objects of a combination, as they would be applied. Skips the test where kubectl is missing."""
    text = rendered_text(combination, scratch)
    return tuple(document for document in yaml.safe_load_all(text) if document is not None)


@cache
def rendered_text(combination: str, scratch: Path) -> str:
    overlay, components = COMBINATIONS[combination]
    place = scratch / combination.replace(" ", "-")
    place.mkdir(exist_ok=True)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(K8S / overlay, place)],
        "components": [os.path.relpath(K8S / "components" / name, place) for name in components],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return run(tool("kubectl"), "kustomize", place)


def pod_specs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The pod specifications anywhere inside an object."""
    found = []
    for value in document.values():
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, dict):
                found += [part] if isinstance(part.get("containers"), list) else []
                found += pod_specs(part)
    return found

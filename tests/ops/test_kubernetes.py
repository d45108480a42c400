"""The Kubernetes manifests: every combination renders, is valid for three versions, and passes the security scan."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from service.config import OF_OTHER_COMMANDS, PREFIX, Settings
from tests.ops.crd import validate_custom
from tests.ops.manifests import (
    ADDITIONS,
    CHOICES,
    COMBINATIONS,
    K8S,
    of_kind,
    pod_specs,
    pod_templates,
    render,
    rendered,
    rendered_text,
)
from tests.ops.tools import run, tool

VERSIONS = ("1.35", "1.36", "1.37")
CUSTOM_GROUPS = (
    "keda.sh/",
    "monitoring.coreos.com/",
    "gateway.networking.k8s.io/",
    "serving.kserve.io/",
    "ray.io/",
)
SECONDS_TO_CLOSE = 1

combinations = pytest.mark.parametrize("combination", COMBINATIONS)


def is_custom(document: dict[str, Any]) -> bool:
    return str(document["apiVersion"]).startswith(CUSTOM_GROUPS)


@combinations
@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid(combination: str, version: str, scratch: Path) -> None:
    """Every object of Kubernetes itself has the fields of that version and no others."""
    for document in rendered(combination, scratch):
        if not is_custom(document):
            kubernetes_validate.validate(document, version, strict=True)


@combinations
def test_custom_objects_are_valid(combination: str, scratch: Path) -> None:
    """Every object of an operator has the fields of its definition and no others."""
    for document in rendered(combination, scratch):
        if is_custom(document):
            validate_custom(document)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("chosen", list(itertools.product(*CHOICES.values())))
@pytest.mark.parametrize("additions", ADDITIONS)
def test_whatever_may_be_combined_is_valid(
    chosen: tuple[str | None, ...], additions: tuple[str, ...], tmp_path: Path
) -> None:
    """One of each choice and everything else, TLS at the edge or in the pods.

    The newest version and the operators' definitions.
    """
    overlay, *parts = [name for name in chosen if name is not None]
    for document in yaml.safe_load_all(render(overlay, [*additions, *parts], tmp_path / "combined")):
        if is_custom(document):
            validate_custom(document)
        else:
            kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_the_validators_see_a_misspelt_field(scratch: Path) -> None:
    """The negative control of the two tests above."""
    deployment = dict(of_kind(rendered("cpu", scratch), "Deployment"))
    deployment["spec"] = deployment["spec"] | {"replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)
    monitor = dict(of_kind(rendered("cpu with everything", scratch), "PodMonitor"))
    monitor["spec"] = monitor["spec"] | {"selektor": {}}
    with pytest.raises(jsonschema.ValidationError):
        validate_custom(monitor)


@combinations
def test_pods_keep_service_variables_away_from_the_settings(combination: str, scratch: Path) -> None:
    """A Service named recognition would become RECOGNITION_PORT, which the settings refuse."""
    for document in rendered(combination, scratch):
        if is_custom(document) and document["kind"] != "RayJob":
            continue
        for pod in pod_specs(document):
            assert pod["enableServiceLinks"] is False, document["kind"]
            assert pod["automountServiceAccountToken"] is False, document["kind"]


@combinations
def test_pods_are_admitted_where_restricted_is_enforced(combination: str, scratch: Path) -> None:
    """Those that operators make too: what the base's namespace asks for, and a read-only root."""
    for document in rendered(combination, scratch):
        for pod in pod_specs(document):
            for container in [*pod["containers"], *pod.get("initContainers", [])]:
                context = pod.get("securityContext", {}) | container["securityContext"]
                assert context["runAsNonRoot"] is True, container["name"]
                assert context["seccompProfile"] == {"type": "RuntimeDefault"}, container["name"]
                assert context["allowPrivilegeEscalation"] is False, container["name"]
                assert context["readOnlyRootFilesystem"] is True, container["name"]
                assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_the_namespace_s_policy_is_opened_for_every_pod_that_talks(scratch: Path) -> None:
    """The base closes the whole namespace; what is applied beside it brings a policy for its pods."""
    for combination in ("batch by an indexed job", "batch by Ray", "training on several nodes"):
        documents = rendered(combination, scratch)
        (policy,) = [document for document in documents if document["kind"] == "NetworkPolicy"]
        chosen = policy["spec"]["podSelector"]["matchLabels"].items()
        for template in pod_templates(documents):
            assert chosen <= template["metadata"]["labels"].items(), combination


@combinations
def test_variables_are_settings(combination: str, scratch: Path) -> None:
    """Every RECOGNITION_ variable anywhere in the manifests is one that the service knows, or a client's."""
    names = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+", rendered_text(combination, scratch))) - OF_OTHER_COMMANDS
    assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)


def test_pods_are_given_more_time_than_the_shutdown_takes(scratch: Path) -> None:
    """Otherwise Kubernetes would kill a replica that is still answering what it accepted."""
    documents = rendered("cpu", scratch)
    settings = of_kind(documents, "ConfigMap")["data"]
    needed = float(settings["RECOGNITION_DRAIN_SECONDS"]) + float(settings["RECOGNITION_GRACE_SECONDS"])
    (pod,) = pod_specs(of_kind(documents, "Deployment"))
    assert pod["terminationGracePeriodSeconds"] > needed + SECONDS_TO_CLOSE


def test_the_gpu_overlay_differs_by_the_gpu_only(scratch: Path) -> None:
    """Image tag, device, memory, toleration and nvidia.com/gpu; every other object is the same."""
    cpu, gpu = rendered("cpu", scratch), rendered("gpu", scratch)
    assert [document for document in cpu if document["kind"] != "Deployment"] == [
        document for document in gpu if document["kind"] != "Deployment"
    ]
    (pod,) = pod_specs(of_kind(gpu, "Deployment"))
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["containers"][0]["env"] == [{"name": "RECOGNITION_DEVICE", "value": "cuda"}]


@pytest.mark.parametrize(
    ("combination", "source"), [("cpu with everything", "emptyDir"), ("gpu with everything", "image")]
)
def test_a_component_replaces_where_models_come_from(combination: str, source: str, scratch: Path) -> None:
    """The volume has one source, and the service still reads it only."""
    (pod,) = pod_specs(of_kind(rendered(combination, scratch), "Deployment"))
    (models,) = [volume for volume in pod["volumes"] if volume["name"] == "models"]
    assert set(models) == {"name", source}
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "models"]
    assert mount["readOnly"] is True


def test_an_autoscaler_owns_the_number_of_replicas(scratch: Path) -> None:
    """With one, the Deployment names no number that applying it anew would set back."""
    for combination in ("cpu with everything", "gpu with everything"):
        assert "replicas" not in of_kind(rendered(combination, scratch), "Deployment")["spec"]


def test_every_component_is_in_a_combination() -> None:
    """A component that nobody renders is not checked by anything."""
    named = {name for _, components in COMBINATIONS.values() for name in components} | {"kserve"}
    assert {path.name for path in (K8S / "components").iterdir()} == named


def test_the_security_scan_finds_nothing(scratch: Path) -> None:
    """No failed check in any combination; every skipped one has its reason beside it."""
    checkov = tool("checkov")
    place = scratch / "scan"
    place.mkdir()
    for combination in COMBINATIONS:
        text = rendered_text(combination, scratch)
        (place / f"{combination.replace(' ', '-')}.yaml").write_text(text, encoding="utf-8")
        for document in yaml.safe_load_all(text):
            for name, value in document["metadata"].get("annotations", {}).items():
                if name.startswith("checkov.io/skip"):
                    assert re.fullmatch(r"CKV2?_K8S_\d+=.{20,}", value), value
    report = run(
        checkov, "--directory", place, "--framework", "kubernetes", "--output", "json", "--soft-fail", "--quiet"
    )
    result = json.loads(report)
    assert result["summary"]["passed"] > 100
    failed = [
        (check["check_id"], check["resource"], check["file_path"]) for check in result["results"]["failed_checks"]
    ]
    assert failed == []

"""What the components do to each other: namespaces, the scrape with tokens and TLS, and the pinned models."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.crd import validate_custom
from tests.ops.manifests import COMBINATIONS, check_combination, of_kind, pod_specs, render, rendered

OF_THE_CLUSTER = {"Namespace"}
WITH_ALL_KINDS = ("models-pvc", "hpa", "pod-monitor", "prometheus-rule", "tls")
PINNED = ("fashion/1/manifest.json", "plain/3/model.onnx")


def documents_of(components: Sequence[str], place: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(render("overlays/cpu", components, place)))


def scrape(components: Sequence[str], place: Path) -> dict[str, Any]:
    """The endpoint of the PodMonitor, which the operator's definition allows."""
    monitor = of_kind(documents_of(components, place), "PodMonitor")
    validate_custom(monitor)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    return dict(endpoint)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_every_object_has_a_namespace(combination: str, scratch: Path) -> None:
    """All in one, so that nothing lands in whatever namespace kubectl happens to be set to."""
    spaces = {
        document["metadata"].get("namespace")
        for document in rendered(combination, scratch)
        if document["kind"] not in OF_THE_CLUSTER
    }
    assert len(spaces) == 1, spaces
    assert None not in spaces


def test_every_component_s_objects_are_beside_the_base(tmp_path: Path) -> None:
    documents = documents_of(WITH_ALL_KINDS, tmp_path)
    kinds = {document["kind"] for document in documents if document["metadata"].get("namespace") == "recognition"}
    assert kinds == {document["kind"] for document in documents} - OF_THE_CLUSTER
    assert kinds >= {"PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodMonitor", "Gateway", "GRPCRoute"}


def test_the_scrape_is_plain_where_the_metrics_are(tmp_path: Path) -> None:
    assert scrape(("pod-monitor",), tmp_path) == {"port": "metrics", "interval": "15s"}


def test_the_scrape_brings_a_token_where_one_is_asked_for(tmp_path: Path) -> None:
    endpoint = scrape(("pod-monitor", "tokens"), tmp_path)
    credentials = {"name": "recognition-metrics-token", "key": "token"}
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": credentials}
    assert "scheme" not in endpoint


def test_the_scrape_speaks_tls_where_the_pods_do(tmp_path: Path) -> None:
    """And trusts the authority beside the pods' own certificate."""
    documents = documents_of(("pod-monitor", "tls-pod"), tmp_path)
    (pod,) = pod_specs(of_kind(documents, "Deployment"))
    (secret,) = [volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"] == "tls"]
    endpoint = scrape(("pod-monitor", "tls-pod", "tokens"), tmp_path)
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": secret, "key": "ca.crt"}}
    assert "authorization" in endpoint


def test_a_service_with_tls_pods_does_not_promise_plaintext(tmp_path: Path) -> None:
    for components, protocol in ((), "kubernetes.io/h2c"), (("tls-pod",), None):
        documents = documents_of(components, tmp_path)
        (service,) = [document for document in documents if document["metadata"]["name"] == "recognition-grpc"]
        assert service["spec"]["ports"][0].get("appProtocol") == protocol


@pytest.mark.parametrize(
    ("components", "complaint"),
    [
        (("tls", "tls-pod"), "tls and tls-pod exclude each other"),
        (("hpa", "keda"), "hpa and keda exclude each other"),
        (("tokens", "pod-monitor"), "list pod-monitor before tokens"),
        (("tls-pod", "tokens", "pod-monitor"), "list pod-monitor before tls-pod, tokens"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(components: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_combination(components)


def test_kserve_s_pods_keep_service_variables_away_from_the_settings(scratch: Path) -> None:
    """As the base's pods do; and they are not under the base's policy, which would block KServe's own container."""
    documents = rendered("kserve", scratch)
    assert of_kind(documents, "InferenceService")["spec"]["predictor"]["enableServiceLinks"] is False
    base = of_kind(rendered("cpu", scratch), "NetworkPolicy")["metadata"]["namespace"]
    assert of_kind(documents, "InferenceService")["metadata"]["namespace"] != base


def test_the_batch_job_brings_a_token_where_there_is_one(scratch: Path) -> None:
    (pod,) = pod_specs(of_kind(rendered("batch by an indexed job", scratch), "Job"))
    (token,) = [variable for variable in pod["containers"][0]["env"] if variable["name"] == "RECOGNITION_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"]["optional"] is True


def check_models(scratch: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Runs what models-init checks before the service starts, on the folders models and digests of `place`."""
    (pod,) = pod_specs(of_kind(rendered("cpu with everything", scratch), "Deployment"))
    (check,) = [container for container in pod["initContainers"] if container["name"] == "check-digests"]
    shell, flags, script = check["command"]
    script = script.replace("/models", str(place / "models")).replace("/digests/", f"{place}/digests/")
    return subprocess.run([shell, flags, script], capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A package and a plain model, pinned; the package has a file that its manifest pins."""
    lines = []
    for name in PINNED:
        write(tmp_path, name)
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    write(tmp_path, "fashion/1/model.onnx")
    write(tmp_path, "fashion/aliases.json")
    (tmp_path / "digests").mkdir()
    (tmp_path / "digests" / "digests.sha256").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def write(place: Path, name: str) -> None:
    file = place / "models" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(name, encoding="utf-8")


def test_pinned_models_are_let_in(scratch: Path, place: Path) -> None:
    done = check_models(scratch, place)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "extra",
    ["fashion/2/manifest.json", "fashion/2/model.onnx", "plain/4/model.onnx", "plain/3/manifest.json", "other/1/x"],
)
def test_a_version_that_is_not_pinned_is_refused_by_name(extra: str, scratch: Path, place: Path) -> None:
    """The service would take a higher version, or a plain model's new manifest, at its word."""
    write(place, extra)
    done = check_models(scratch, place)
    assert done.returncode == 1
    assert done.stderr == f"{extra} is not pinned: add its SHA-256 to digests.sha256, or take it away\n"


def test_a_pinned_file_that_differs_or_is_missing_is_refused(scratch: Path, place: Path) -> None:
    manifest = place / "models" / PINNED[0]
    manifest.write_text("another", encoding="utf-8")
    assert check_models(scratch, place).returncode != 0
    manifest.unlink()
    assert check_models(scratch, place).returncode != 0

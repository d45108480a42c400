"""Renders the combinations of overlays and components that the README names, with the kustomize inside kubectl."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.ops.tools import ROOT, run, tool

K8S = ROOT / "k8s"
CHOICES = {
    "overlay": ("overlays/cpu", "overlays/gpu"),
    "models": (None, "models-pvc", "models-init", "models-image"),
    "scaler": (None, "hpa", "keda"),
}
"""One each; everything below goes with each of them."""
ADDITIONS = (
    (),
    ("pod-monitor", "prometheus-rule", "tls", "tokens", "tracing"),
    ("tracing", "pod-monitor", "tokens", "tls-pod", "prometheus-rule"),
)
ALTERNATIVES = (("models-pvc", "models-init", "models-image"), ("hpa", "keda"), ("tls", "tls-pod"))
PATCHED_LATER = {"pod-monitor": ("tokens", "tls-pod")}
"""What has to be listed before those that patch it."""
COMBINATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cpu": ("overlays/cpu", ()),
    "cpu with a claim": ("overlays/cpu", ("models-pvc",)),
    "cpu with everything": (
        "overlays/cpu",
        ("models-init", "hpa", "pod-monitor", "prometheus-rule", "tls-pod", "tokens", "tracing"),
    ),
    "gpu": ("overlays/gpu", ()),
    "gpu with a claim": ("overlays/gpu", ("models-pvc", "keda")),
    "gpu with models from a bucket": ("overlays/gpu", ("models-init", "keda", "pod-monitor")),
    "gpu with everything": (
        "overlays/gpu",
        ("models-image", "keda", "pod-monitor", "prometheus-rule", "tls", "tokens", "tracing"),
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
    return render(overlay, components, scratch / combination.replace(" ", "-"))


def render(overlay: str, components: Sequence[str], place: Path) -> str:
    """What `kubectl apply -k` would apply of an overlay that is written to `place`.

    Raises ValueError where parts do not go together.
    """
    check_combination(components)
    place.mkdir(exist_ok=True)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(K8S / overlay, place)],
        "components": [os.path.relpath(K8S / "components" / name, place) for name in components],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return run(tool("kubectl"), "kustomize", place)


def check_combination(components: Sequence[str]) -> None:
    """Raises ValueError with alternatives side by side, or with a part after those that patch it."""
    for group in ALTERNATIVES:
        if len(chosen := [name for name in components if name in group]) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: take one")
    for name, later in PATCHED_LATER.items():
        if name in components and (before := set(components[: components.index(name)]).intersection(later)):
            raise ValueError(f"list {name} before {', '.join(sorted(before))}: what is not there is not patched")


def of_kind(documents: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


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


def pod_templates(part: Any) -> list[dict[str, Any]]:
    """The pod templates anywhere inside: specifications with their metadata."""
    if isinstance(part, list | tuple):
        return [found for item in part for found in pod_templates(item)]
    if not isinstance(part, dict):
        return []
    if isinstance(part.get("spec"), dict) and "containers" in part["spec"]:
        return [part]
    return [found for value in part.values() for found in pod_templates(value)]

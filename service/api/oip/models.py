"""Finds the model version that a request of the Open Inference Protocol means, and says so in the protocol's words."""

import re

from service.api.calls import current_call
from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, ServiceError, VersionNotFound
from service.models.manifest import Precision
from service.models.packaged_tensors import PackagedTensors
from service.models.registry import Entry, Registry, State
from service.models.tensor_model import TensorModel


class Models:
    """Every live version as a TensorModel."""

    def __init__(self, registry: Registry, *, max_batch_size: int, max_images: int) -> None:
        """`max_batch_size` is that of packages, plain models bring their own; `max_images` is the limit of encoded ones
        in a request.
        """
        self._registry = registry
        self._max_batch_size = max_batch_size
        self._max_images = max_images
        self._seen: dict[tuple[str, int, Precision], PackagedTensors] = {}

    def find(self, name: str, version: str = "", precision: Precision | None = None) -> TensorModel:
        """The version that answers, noted for the metrics. Plain models have no precision to choose.

        Raises ArgumentInvalid, ModelNotFound, VersionNotFound, PrecisionNotFound or ModelNotReady.
        """
        number = number_of(version)
        if not name:
            raise ModelNotFound(f"{_unknown(name)} is not found")
        try:
            entry = self._registry.choose(name, version=number)
        except ModelNotFound as error:
            raise ModelNotFound(f"{_unknown(name)} is not found") from error
        except VersionNotFound as error:
            raise VersionNotFound(f"{_unknown(name)} version {number} is not found", **error.metadata) from error
        model = self._as_tensors(entry, precision)
        if model is None:
            raise ModelNotReady(f"{_unknown(name)}, '{name}' version {entry.version} is not at ready state", model=name)
        call = current_call.get()
        call.model, call.version = entry.name, str(entry.version)
        return model

    def is_ready(self, name: str, version: str) -> bool:
        """Never an error, but for a version that is no number."""
        number_of(version)
        try:
            self.find(name, version)
        except ServiceError:
            return False
        return True

    def versions(self, name: str) -> list[str]:
        """Those that answer."""
        return [
            str(entry.version)
            for entry in self._registry.entries()
            if entry.name == name and entry.state is State.READY
        ]

    def live(self, name: str, version: str) -> list[tuple[str, int]]:
        """Names and versions that answer, of one model or, where `name` is empty, of all."""
        if name:
            self.find(name, version)
        number = number_of(version)
        return [
            (entry.name, entry.version)
            for entry in self._registry.entries()
            if entry.answers is not None and name in {"", entry.name} and number in {None, entry.version}
        ]

    def _as_tensors(self, entry: Entry, precision: Precision | None) -> TensorModel | None:
        if entry.live is None:
            return entry.plain
        live = entry.live.variant(precision)
        key = (entry.name, entry.version, live.precision)
        seen = self._seen.get(key)
        if seen is None or seen.live is not live:
            seen = PackagedTensors(live=live, max_batch_size=self._max_batch_size, max_images=self._max_images)
            self._forget_released()
            self._seen[key] = seen
        return seen

    def _forget_released(self) -> None:
        """What is kept of versions that are gone would keep their sessions."""
        lives = [entry.live for entry in self._registry.entries() if entry.live is not None]
        held = {id(held) for live in lives for held in (live, *live.others)}
        self._seen = {key: seen for key, seen in self._seen.items() if id(seen.live) in held}


def _unknown(name: str) -> str:
    return f"Request for unknown model: '{name[:64]}'"


def number_of(version: str) -> int | None:
    """None for the version that answers by default. Raises ArgumentInvalid."""
    if not version:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", version, flags=re.ASCII):
        raise ArgumentInvalid(
            f"failed to get model version from specified version string '{version[:32]}', version should be an "
            "integral value > 0",
            field="model_version",
        )
    return int(version)

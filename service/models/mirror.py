"""Compares two versions while one of them answers: a shadow is sent copies, a canary is held against what it replaces.

What was answered is never held up or changed: the copy goes into the other version's queue at the lowest priority, as
the tensor that the first was given, and where too many are on their way it is left out.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from service.engine.batcher import Row, Tensor
from service.engine.errand import own_errand
from service.engine.postprocess import probabilities_of
from service.engine.priority import Priority
from service.errors import ServiceError
from service.models.catalogue import Catalogue
from service.models.entry import Entry
from service.models.manifest import Manifest

MOST_ON_THEIR_WAY = 64
COPY_SECONDS = 5.0


class Role(StrEnum):
    """Why two versions are compared."""

    CANARY = "canary"
    SHADOW = "shadow"


class Compared(StrEnum):
    """How a comparison ended."""

    AGREE = "agree"
    DIFFER = "differ"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One image, by the version that is tried and by the one that stands."""

    model: str
    role: Role
    ended: Compared
    confidence_difference: float | None = None
    """Of the tried version's best label: by how much its probability differs between the two."""
    tried_seconds: float | None = None
    standing_seconds: float | None = None
    """Of the batch that the image was computed in."""


_Trial: TypeAlias = tuple[Role, Entry, float]
"""Why, the other version, and the share of the images that it is sent."""


class Mirror:
    """Told of every image that was computed. Lives on one event loop."""

    def __init__(self, *, tell: Callable[[Comparison], None], draw: Callable[[], float] = random.random) -> None:
        self._tell = tell
        self._draw = draw
        self._catalogue: Catalogue | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, catalogue: Catalogue) -> None:
        """From now on its routes say what is compared with what."""
        self._catalogue = catalogue

    def seen(self, manifest: Manifest, images: Iterable[tuple[Tensor, Row]]) -> None:
        """Images were computed for somebody who waits for them."""
        trials = self._trials(manifest)
        for tensor, row in images if trials else ():
            self._seen(manifest, trials, tensor, row)

    def _seen(self, manifest: Manifest, trials: Sequence[_Trial], tensor: Tensor, row: Row) -> None:
        for role, other, share in trials:
            if share < 1.0 and self._draw() >= share:
                continue
            if len(self._tasks) >= MOST_ON_THEIR_WAY or other.live is None:
                self._tell(Comparison(model=manifest.name, role=role, ended=Compared.SKIPPED))
                continue
            task = asyncio.create_task(self._compare(manifest, role, other, tensor, row), name="mirror")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _trials(self, manifest: Manifest) -> list[_Trial]:
        if self._catalogue is None:
            return []
        trials = []
        for route in self._catalogue.routes().get(manifest.name, {}).values():
            if route.shadow is not None and route.version == manifest.version:
                trials.append((Role.SHADOW, route.shadow.version, route.shadow.share))
            if route.canary is not None and route.canary.version == manifest.version:
                trials.append((Role.CANARY, route.version, 1.0))
        return [(role, self._catalogue.find(manifest.name, version=number), share) for role, number, share in trials]

    async def _compare(self, manifest: Manifest, role: Role, other: Entry, tensor: Tensor, row: Row) -> None:
        other.usage.hold()
        live = other.live
        if live is None or live.manifest.input != manifest.input or live.manifest.labels != manifest.labels:
            self._tell(Comparison(model=manifest.name, role=role, ended=Compared.FAILED))
            return
        try:
            with own_errand():
                copy = await live.batcher.submit(
                    tensor, deadline=time.monotonic() + COPY_SECONDS, priority=Priority.LOW
                )
        except ServiceError:
            self._tell(Comparison(model=manifest.name, role=role, ended=Compared.FAILED))
            return
        answered = (row, manifest.calibration.temperature)
        copied = (copy, live.manifest.calibration.temperature)
        tried, standing = (copied, answered) if role is Role.SHADOW else (answered, copied)
        shares = [probabilities_of(each.logits, temperature) for each, temperature in (tried, standing)]
        best = int(shares[0].argmax())
        self._tell(
            Comparison(
                model=manifest.name,
                role=role,
                ended=Compared.AGREE if best == int(shares[1].argmax()) else Compared.DIFFER,
                confidence_difference=abs(float(shares[0][best] - shares[1][best])),
                tried_seconds=tried[0].inference_seconds,
                standing_seconds=standing[0].inference_seconds,
            )
        )

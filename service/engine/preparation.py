"""The first half of an image's way, in a worker thread: decode → preprocess, unless its outputs are known already."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from service.engine.batcher import Row, Tensor
from service.engine.decode import ImageLimits
from service.engine.decoded import Decoded, Target
from service.engine.decoders import Decoders, InThread
from service.engine.decoding import Decoding, least_side
from service.engine.prepared import Prepared, PreparedImages
from service.engine.response_cache import CachePart
from service.engine.time_columns import Column, TimeColumns, no_times
from service.errors import ServiceError
from service.models.manifest import InputSpec

NOTHING = np.zeros(0, dtype=np.uint8)
DECODED = [Column.BEGAN_AT, Column.DECODE, Column.PREPROCESS]
"""What is told of an image when it is decoded."""

Watch = Callable[[Iterable[tuple[Tensor, Row]]], None]
"""Shown the images that were computed, each with its outputs; those that nobody looks at are not even taken out."""


class Preparation:
    """For one version of one model. Its methods may be called from any thread."""

    def __init__(
        self,
        spec: InputSpec,
        limits: ImageLimits,
        decoding: Decoding,
        cache: CachePart | None = None,
        *,
        decoders: Decoders | None = None,
        watch: Watch = lambda _: None,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._target = _target(spec, decoding)
        self._decoders = InThread(limits) if decoders is None else decoders
        self._watch = watch
        self.cache = cache
        """Set when it is known which precision answers."""

    def prepare(self, image: bytes, *, decoding: Decoding | None = None) -> Prepared:
        """Decodes, as the settings say or as is asked for, and preprocesses. Raises a ServiceError for a bad image."""
        return self._decoders.one(image, self._target if decoding is None else _target(self._spec, decoding))

    def prepare_or_recall(self, image: bytes) -> Prepared:
        """The same, or the outputs that were kept for this file. Raises a ServiceError for a bad image."""
        if self.cache is None:
            return self.prepare(image)
        looked_for = self._recall(image, self.cache)
        if looked_for.known is not None:
            return looked_for
        return replace(
            self.prepare(image),
            began_at=looked_for.began_at,
            file=looked_for.file,
            lookup_seconds=looked_for.lookup_seconds,
        )

    def prepare_all(self, images: Sequence[bytes], *, small: bool = False) -> PreparedImages:
        """The same for each of them; what is wrong with one is its own. `small` ones cost more Python than decoding."""
        if self.cache is not None:
            return self._prepare_or_recall_all(images, self.cache, small)
        tensors = self._target.room(len(images))
        decoded = self._decoders.several(images, self._target, tensors, small=small)
        return PreparedImages(
            count=len(images),
            places=decoded.places,
            tensors=tensors[: len(decoded.places)],
            times=_times(decoded),
            files=(),
            known={},
            errors=decoded.errors,
        )

    def _prepare_or_recall_all(self, images: Sequence[bytes], cache: CachePart, small: bool) -> PreparedImages:
        known, errors, misses = dict[int, Prepared](), dict[int, ServiceError](), dict[int, Prepared]()
        for place, image in enumerate(images):
            try:
                looked_for = self._recall(image, cache)
            except ServiceError as error:
                errors[place] = error
            else:
                (misses if looked_for.known is None else known)[place] = looked_for
        tensors, asked = self._target.room(len(misses)), np.fromiter(misses, dtype=np.intp, count=len(misses))
        decoded = self._decoders.several([images[place] for place in misses], self._target, tensors, small=small)
        places, times = asked[decoded.places], _times(decoded)
        times[Column.LOOKUP] = [misses[place].lookup_seconds for place in places.tolist()]
        times[Column.BEGAN_AT] -= times[Column.LOOKUP]
        return PreparedImages(
            count=len(images),
            places=places,
            tensors=tensors[: len(places)],
            times=times,
            files=[misses[place].file for place in places.tolist()],
            known=known,
            errors=errors | {int(asked[place]): error for place, error in decoded.errors.items()},
        )

    def refused(self, count: int, error: ServiceError) -> PreparedImages:
        """So many images that nothing was spent on."""
        return PreparedImages(
            count=count,
            places=np.zeros(0, dtype=np.intp),
            tensors=self._target.room(0),
            times=no_times(0),
            files=(),
            known={},
            errors=dict.fromkeys(range(count), error),
        )

    def keep(self, prepared: Prepared, row: Row) -> None:
        """Shows the outputs of an image to who watches, and remembers them where that is wanted."""
        self._watch([(prepared.tensor, row)])
        if self.cache is not None:
            self.cache.keep(prepared.file, row)

    def keep_all(self, prepared: PreparedImages, rows: Callable[[], Iterable[tuple[int, Row]]]) -> None:
        """The same for several; `rows` gives the outputs with the number of the tensor that they are of."""
        self._watch((prepared.tensors[number], row) for number, row in rows())
        if self.cache is not None:
            for number, row in rows():
                self.cache.keep(prepared.files[number], row)

    def _recall(self, image: bytes, cache: CachePart) -> Prepared:
        """What it took to look for a file, and its outputs where they were kept."""
        began = time.monotonic()
        self._limits.check_bytes(image)
        file = hashlib.sha256(image).digest()
        known = cache.find(file)
        return Prepared(
            tensor=NOTHING,
            decode_seconds=0.0,
            preprocess_seconds=0.0,
            began_at=began,
            file=file,
            known=known,
            lookup_seconds=time.monotonic() - began,
        )


def _target(spec: InputSpec, decoding: Decoding) -> Target:
    return Target(spec=spec, at_least=least_side(spec, decoding))


def _times(decoded: Decoded) -> TimeColumns:
    """With no lookup in a cache."""
    times = no_times(len(decoded.places))
    times[DECODED] = decoded.times.T
    times[Column.LOOKUP] = math.nan
    return times

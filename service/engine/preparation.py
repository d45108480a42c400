"""The first half of an image's way, in a worker thread: decode → preprocess, unless its outputs are known already."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from service.engine.batcher import Row, Tensor
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoding import Decoding, least_side
from service.engine.jpeg import Pixels
from service.engine.prepared import Collecting, Prepared, PreparedImages
from service.engine.preprocess import preprocess, resized
from service.engine.response_cache import CachePart
from service.errors import ServiceError
from service.models.manifest import InputSpec

NOTHING = np.zeros(0, dtype=np.uint8)

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
        decode: Decode = decode,
        watch: Watch = lambda _: None,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._decoding = decoding
        self._decode = decode
        self._watch = watch
        self.cache = cache
        """Set when it is known which precision answers."""

    def prepare(self, image: bytes, *, decoding: Decoding | None = None) -> Prepared:
        """Decodes, as the settings say or as is asked for, and preprocesses. Raises a ServiceError for a bad image."""
        began = time.monotonic()
        pixels = self._pixels(image, decoding or self._decoding)
        decoded = time.monotonic()
        tensor = preprocess(pixels, self._spec)
        return Prepared(
            tensor=tensor,
            decode_seconds=decoded - began,
            preprocess_seconds=time.monotonic() - decoded,
            began_at=began,
        )

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

    def prepare_all(self, images: Sequence[bytes]) -> PreparedImages:
        """The same for each of them; what is wrong with one is its own."""
        spec, collected = self._spec, Collecting(self._spec, len(images))
        for place, image in enumerate(images):
            try:
                began, file, lookup = time.monotonic(), b"", math.nan
                if self.cache is not None:
                    looked_for = self._recall(image, self.cache)
                    if looked_for.known is not None:
                        collected.known[place] = looked_for
                        continue
                    file, lookup = looked_for.file, looked_for.lookup_seconds or 0.0
                decoding = time.monotonic()
                pixels = self._pixels(image, self._decoding)
                decoded = time.monotonic()
                collected.tensors[len(collected.places)] = resized(pixels, spec)
                collected.add(place, file, decoded - decoding, time.monotonic() - decoded, began, lookup)
            except ServiceError as error:
                collected.errors[place] = error
        return collected.finished()

    def refused(self, count: int, error: ServiceError) -> PreparedImages:
        """So many images that nothing was spent on."""
        collected = Collecting(self._spec, count)
        collected.errors = dict.fromkeys(range(count), error)
        return collected.finished()

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

    def _pixels(self, image: bytes, decoding: Decoding) -> Pixels:
        at_least = least_side(self._spec, decoding)
        return self._decode(image, pixel_format=self._spec.pixel_format, limits=self._limits, at_least=at_least)

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

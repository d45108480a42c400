"""The first half of an image's way, in a worker thread: decode → preprocess, unless its outputs are known already."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.engine.batcher import Row, Tensor
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoding import Decoding, least_side
from service.engine.preprocess import preprocess
from service.engine.response_cache import CachePart
from service.errors import ServiceError
from service.models.manifest import InputSpec

NOTHING = np.zeros(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An image as the model takes it, and what it cost to bring it there."""

    tensor: Tensor  # (H, W, C), or nothing where the outputs are known
    decode_seconds: float
    preprocess_seconds: float
    began_at: float = 0.0
    """When decoding began, on the clock of `time.monotonic`."""
    file: bytes = b""
    """SHA-256 of the encoded image, where outputs are kept."""
    known: Row | None = None
    """The outputs, where they were kept."""
    lookup_seconds: float | None = None
    """What it took to look for them, where outputs are kept."""


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
        watch: Callable[["Prepared", Row], None] = lambda _prepared, _row: None,
    ) -> None:
        """`watch` is shown what was computed, image by image."""
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
        at_least = least_side(self._spec, decoding or self._decoding)
        pixels = self._decode(image, pixel_format=self._spec.pixel_format, limits=self._limits, at_least=at_least)
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
        began = time.monotonic()
        self._limits.check_bytes(image)
        file = hashlib.sha256(image).digest()
        known = self.cache.find(file)
        looked = time.monotonic() - began
        if known is None:
            return replace(self.prepare(image), began_at=began, file=file, lookup_seconds=looked)
        return Prepared(
            tensor=NOTHING,
            decode_seconds=0.0,
            preprocess_seconds=0.0,
            began_at=began,
            file=file,
            known=known,
            lookup_seconds=looked,
        )

    def prepare_all(self, images: Sequence[bytes]) -> list[Prepared | ServiceError]:
        """Each of them, or what is wrong with it."""
        results: list[Prepared | ServiceError] = []
        for image in images:
            try:
                results.append(self.prepare_or_recall(image))
            except ServiceError as error:
                results.append(error)
        return results

    def keep(self, prepared: Prepared, row: Row) -> None:
        """Shows the outputs of an image to who watches, and remembers them where that is wanted."""
        self._watch(prepared, row)
        if self.cache is not None and prepared.known is None:
            self.cache.keep(prepared.file, row)

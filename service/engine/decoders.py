"""Who makes tensors of images: the thread that asks, processes of their own, or each what it does best."""

import time
from collections.abc import Sequence
from typing import Protocol

from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decode_pool import DecodePool
from service.engine.decoded import Decoded, Target, Tensors, decode_all
from service.engine.prepared import Prepared
from service.engine.preprocess import preprocess
from service.errors import DecoderUnavailable

WORTH_A_PROCESS = 16
"""Small images: with fewer the way there and back takes longer than decoding them here."""


class Decoders(Protocol):
    """Asked from any thread, in which they do it or wait until it is done."""

    def one(self, image: bytes, target: Target) -> Prepared:
        """Raises a ServiceError for a bad image."""
        ...

    def several(self, images: Sequence[bytes], target: Target, out: Tensors, *, small: bool) -> Decoded:
        """See `decode_all`; `small` ones cost more Python than decoding."""
        ...


class InThread:
    """Here and now."""

    def __init__(self, limits: ImageLimits, *, decode: Decode = decode) -> None:
        self._limits = limits
        self._decode = decode

    def one(self, image: bytes, target: Target) -> Prepared:
        began, spec = time.monotonic(), target.spec
        pixels = self._decode(image, pixel_format=spec.pixel_format, limits=self._limits, at_least=target.at_least)
        decoded = time.monotonic()
        tensor = preprocess(pixels, spec)
        return Prepared(
            tensor=tensor,
            decode_seconds=decoded - began,
            preprocess_seconds=time.monotonic() - decoded,
            began_at=began,
        )

    def several(self, images: Sequence[bytes], target: Target, out: Tensors, *, small: bool) -> Decoded:  # noqa: ARG002
        return decode_all(images, target, self._limits, out, decode=self._decode)


class InProcesses:
    """Whatever it is: what breaks a decoder costs one image and no more."""

    def __init__(self, pool: DecodePool) -> None:
        self._pool = pool

    def one(self, image: bytes, target: Target) -> Prepared:
        tensors = target.room(1)
        decoded = self._pool.decode([image], target, tensors)
        for error in decoded.errors.values():
            raise error
        ((began, decode_seconds, preprocess_seconds),) = decoded.times.tolist()
        return Prepared(
            tensor=tensors[0], decode_seconds=decode_seconds, preprocess_seconds=preprocess_seconds, began_at=began
        )

    def several(self, images: Sequence[bytes], target: Target, out: Tensors, *, small: bool) -> Decoded:  # noqa: ARG002
        return self._pool.decode(images, target, out)


class SmallInProcesses(InThread):
    """Many small ones go to processes, since most of decoding them is Python, which runs in one thread at a time.

    Nobody waits for a process to start: until there is one, and where there can be none, it is done here.
    """

    def __init__(self, limits: ImageLimits, pool: DecodePool) -> None:
        super().__init__(limits)
        self._pool = pool

    def several(self, images: Sequence[bytes], target: Target, out: Tensors, *, small: bool) -> Decoded:
        if small and len(images) >= WORTH_A_PROCESS and self._pool.has_one_free():
            decoded = self._pool.decode(images, target, out)
            if not any(isinstance(error, DecoderUnavailable) for error in decoded.errors.values()):
                return decoded
        return super().several(images, target, out, small=small)

"""Golden samples: encoded images with the logits that training produced for them, kept in `golden.npz`.

They travel with the model so that whoever serves it can prove, on its own decode and inference path, that it computes
what was trained.
"""

import io
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.models.manifest import ManifestInvalid

KINDS = {"data": ("u", 1), "offsets": ("i", 1), "logits": ("f", 2), "labels": ("i", 1)}
"""The arrays of the file: kind of their numbers (unsigned, integer, floating) and dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSamples:
    """`images[i]` is an encoded image, `logits[i]` what training computed for it, `labels[i]` its label's index."""

    images: tuple[bytes, ...]
    logits: npt.NDArray[np.float32]  # (N, labels)
    labels: npt.NDArray[np.int64]  # (N,)

    def to_bytes(self) -> bytes:
        """The file's content. Images lie end to end in one byte array; `offsets` (N + 1) says where each begins."""
        offsets = np.cumsum([0, *(len(image) for image in self.images)], dtype=np.int64)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            data=np.frombuffer(b"".join(self.images), dtype=np.uint8),
            offsets=offsets,
            logits=self.logits,
            labels=self.labels,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "GoldenSamples":
        """Reads the file. Raises ManifestInvalid where it is not what `to_bytes` writes; never unpickles."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                data, offsets, logits, labels = (arrays[name] for name in KINDS)
        except Exception as error:  # NumPy and zipfile raise errors of all kinds for a damaged file
            raise ManifestInvalid(
                "golden.npz cannot be read: it needs the arrays data, offsets, logits, labels"
            ) from error
        kinds = [(array.dtype.kind, array.ndim) for array in (data, offsets, logits, labels)]
        if kinds != list(KINDS.values()) or data.itemsize != 1:
            raise ManifestInvalid("golden.npz: data, offsets, logits or labels are not of their type")
        count = len(labels)
        if len(logits) != count or len(offsets) != count + 1 or count == 0:
            raise ManifestInvalid("golden.npz: data, offsets, logits and labels do not belong together")
        if offsets[0] != 0 or offsets[-1] != len(data) or bool(np.any(np.diff(offsets) < 0)):
            raise ManifestInvalid("golden.npz: offsets do not fit the data")
        if bool(np.any((labels < 0) | (labels >= logits.shape[1]))):
            raise ManifestInvalid("golden.npz: a label has no logit")
        images = tuple(data[start:end].tobytes() for start, end in itertools.pairwise(offsets))
        return cls(images=images, logits=logits.astype(np.float32), labels=labels.astype(np.int64))

"""Golden samples: encoded images with the logits expected of them in each precision, kept in `golden.npz`.

They travel with the model so that whoever serves it can prove, on its own decode and inference path, that it computes
what was trained, and in fp16 and int8 what the export measured. The arrays are `data`, `offsets`, `labels`, `logits`
(training's, which float32 must give) and for each other precision `logits_<precision>`.
"""

import io
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.models.manifest import ManifestInvalid
from service.models.variant import Precision

Logits = npt.NDArray[np.float32]

KINDS = {"data": ("u", 1), "offsets": ("i", 1), "logits": ("f", 2), "labels": ("i", 1)}
"""The arrays of every file: kind of their numbers (unsigned, integer, floating) and dimensions."""
OWN = {f"logits_{precision}": precision for precision in (Precision.FP16, Precision.INT8)}
"""The arrays of precisions that need not give training's logits: as `logits`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSamples:
    """`images[i]` is an encoded image, `logits[i]` what training computed for it, `labels[i]` its label's index."""

    images: tuple[bytes, ...]
    logits: Logits  # (N, labels)
    labels: npt.NDArray[np.int64]  # (N,)
    own: Mapping[Precision, Logits] = field(default_factory=dict)
    """Of fp16 and int8: what the export computed in that precision. Packages of before have none."""

    def expected(self, precision: Precision) -> Logits:
        """What the precision must give, to within its tolerance: its own logits, else training's (N, labels)."""
        return self.own.get(precision, self.logits)

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
            allow_pickle=False,
            **{f"logits_{precision}": logits for precision, logits in self.own.items()},
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "GoldenSamples":
        """Reads the file. Raises ManifestInvalid where it is not what `to_bytes` writes; never unpickles."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                data, offsets, logits, labels = (arrays[name] for name in KINDS)
                own = {precision: arrays[name] for name, precision in OWN.items() if name in arrays}
        except Exception as error:  # NumPy and zipfile raise errors of all kinds for a damaged file
            raise ManifestInvalid(
                "golden.npz cannot be read: it needs the arrays data, offsets, logits, labels"
            ) from error
        kinds = [(array.dtype.kind, array.ndim) for array in (data, offsets, logits, labels)]
        if kinds != list(KINDS.values()) or data.itemsize != 1:
            raise ManifestInvalid("golden.npz: data, offsets, logits or labels are not of their type")
        _check_together(data, offsets, logits, labels, own.values())
        images = tuple(data[start:end].tobytes() for start, end in itertools.pairwise(offsets))
        return cls(
            images=images,
            logits=logits.astype(np.float32),
            labels=labels.astype(np.int64),
            own={precision: array.astype(np.float32) for precision, array in own.items()},
        )


def _check_together(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    logits: Logits,
    labels: npt.NDArray[np.int64],
    own: Iterable[Logits],
) -> None:
    count = len(labels)
    if len(logits) != count or len(offsets) != count + 1 or count == 0:
        raise ManifestInvalid("golden.npz: data, offsets, logits and labels do not belong together")
    if any((array.dtype.kind, array.shape) != (logits.dtype.kind, logits.shape) for array in own):
        raise ManifestInvalid("golden.npz: the logits of the precisions are not of one type and shape")
    if offsets[0] != 0 or offsets[-1] != len(data) or bool(np.any(np.diff(offsets) < 0)):
        raise ManifestInvalid("golden.npz: offsets do not fit the data")
    if bool(np.any((labels < 0) | (labels >= logits.shape[1]))):
        raise ManifestInvalid("golden.npz: a label has no logit")

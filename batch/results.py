"""What an engine says of a chunk, column by column, on its way to the rows of a shard."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from batch.dimensions import dimensions
from batch.fault import Fault

NO_LABEL = -1


@dataclass(slots=True, kw_only=True)
class Results:
    """One place for each image of the chunk that begins at `start` of `shard`; those of bad images stay empty."""

    shard: int
    start: int
    labels: npt.NDArray[np.int32]  # (images, k): places in the model's labels, best first
    probabilities: npt.NDArray[np.float32]  # (images, k)
    unknown: npt.NDArray[np.bool_]  # (images,)
    sizes: npt.NDArray[np.int32]  # (images, 2): width and height, 0 where the file does not say
    faults: dict[int, Fault] = field(default_factory=dict)
    embeddings: npt.NDArray[np.float32] | None = None  # (images, embedding_size)
    decode_ms: npt.NDArray[np.float32] | None = None  # (images,)

    def __len__(self) -> int:
        return len(self.labels)


def empty_results(
    *, shard: int, start: int, images: int, k: int, embedding_size: int = 0, timings: bool = False
) -> Results:
    """To be filled in."""
    return Results(
        shard=shard,
        start=start,
        labels=np.full((images, k), NO_LABEL, dtype=np.int32),
        probabilities=np.zeros((images, k), dtype=np.float32),
        unknown=np.zeros(images, dtype=np.bool_),
        sizes=np.zeros((images, 2), dtype=np.int32),
        embeddings=np.zeros((images, embedding_size), dtype=np.float32) if embedding_size else None,
        decode_ms=np.zeros(images, dtype=np.float32) if timings else None,
    )


def note_contents(results: Results, contents: list[bytes | Fault]) -> list[int]:
    """Enters the faults and sizes of what was read; returns the places of what can go on."""
    readable = []
    for place, content in enumerate(contents):
        if isinstance(content, Fault):
            results.faults[place] = content
            continue
        if (size := dimensions(content)) is not None:
            results.sizes[place] = size
        readable.append(place)
    return readable

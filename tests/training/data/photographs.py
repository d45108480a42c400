"""Generated photographs in files: dark ones are night, bright ones are day."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_photograph(path: Path, *, bright: bool, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    """Noise around a level, so that no two are equal."""
    noise = np.random.default_rng(seed).integers(0, 60, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((noise + (180 if bright else 10)).astype(np.uint8)).save(path)


def write_folder(root: Path, *, day: int = 12, night: int = 8) -> Path:
    """root/train and root/val with the classes day and night; a third of each for val."""
    for name, count, bright in (("day", day, True), ("night", night, False)):
        for index in range(count):
            split = "val" if index % 3 == 0 else "train"
            write_photograph(root / split / name / f"{index}.png", bright=bright, seed=index + 1000 * bright)
    return root

"""Looks a data set over before it is trained on: unreadable files, duplicates, leaks between splits, class balance."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from training.data.dataset import Dataset
from training.data.files import Entry
from training.data.picture import read_picture
from training.errors import DataDamaged

IMBALANCE = 3.0
"""From this ratio of the largest class to the smallest on, weights are recommended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found; paths (or positions such as train/17) as text."""

    name: str
    images: int
    unreadable: tuple[tuple[str, str], ...]
    """path and reason"""
    duplicates: tuple[tuple[str, ...], ...]
    """groups of equal pictures inside one split"""
    across_splits: tuple[tuple[str, ...], ...]
    """groups of equal pictures that are in more than one split: they make a test look better than it is"""
    conflicting: tuple[tuple[str, ...], ...]
    """groups of equal pictures with different labels"""
    counts: dict[str, int]
    """pictures of each label, all splits together"""

    @property
    def imbalance(self) -> float:
        """How many times larger the largest class is than the smallest."""
        return max(self.counts.values()) / max(min(self.counts.values()), 1) if self.counts else 1.0

    @property
    def findings(self) -> tuple[str, ...]:
        """A line for each, with what to do; empty for a clean data set."""
        lines = [f"unreadable: {path} ({reason})" for path, reason in self.unreadable]
        lines += [f"twice in one split: {', '.join(group)}" for group in self.duplicates]
        lines += [f"in training and test, remove one: {', '.join(group)}" for group in self.across_splits]
        lines += [f"one picture, different labels: {', '.join(group)}" for group in self.conflicting]
        if self.imbalance >= IMBALANCE:
            lines.append(
                f"unbalanced: the largest class is {self.imbalance:.1f} times the smallest; "
                "train with --balance loss or --balance sampler"
            )
        return tuple(lines)


def scan_files(name: str, entries: list[Entry]) -> Scan:
    """Reads and decodes every file; pictures are equal when their decoded pixels are."""
    unreadable, seen = [], _Seen()
    for entry in entries:
        try:
            picture = read_picture(entry.path, entry.path.read_bytes())
        except OSError as error:
            unreadable.append((str(entry.path), error.strerror or str(error)))
        except DataDamaged as error:
            unreadable.append((str(entry.path), str(error)))
        else:
            content = f"{picture.mode}{picture.size}".encode() + picture.tobytes()
            seen.add(content, str(entry.path), entry.split, entry.label)
    return seen.report(name, tuple(unreadable))


def scan_dataset(dataset: Dataset) -> Scan:
    """The same for pictures that are in memory already."""
    seen = _Seen()
    for split, images in (("train", dataset.train), ("test", dataset.test)):
        for index, (pixels, label) in enumerate(zip(images.pixels, images.labels.tolist(), strict=True)):
            seen.add(pixels.tobytes(), f"{split}/{index}", split, dataset.labels[label])
    return seen.report(dataset.name, ())


class _Seen:
    """Pictures by digest, each with where it was found."""

    def __init__(self) -> None:
        self._places: dict[bytes, list[tuple[str, str, str]]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, content: bytes, path: str, split: str, label: str) -> None:
        self._places[hashlib.sha256(content).digest()].append((path, split, label))
        self._counts[label] += 1

    def report(self, name: str, unreadable: tuple[tuple[str, str], ...]) -> Scan:
        groups = [places for places in self._places.values() if len(places) > 1]
        return Scan(
            name=name,
            images=sum(self._counts.values()),
            unreadable=unreadable,
            duplicates=tuple(_paths(g) for g in groups if len({split for _, split, _ in g}) < len(g)),
            across_splits=tuple(_paths(g) for g in groups if len({split for _, split, _ in g}) > 1),
            conflicting=tuple(_paths(g) for g in groups if len({label for _, _, label in g}) > 1),
            counts=dict(sorted(self._counts.items())),
        )


def _paths(group: list[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(path for path, _, _ in group)

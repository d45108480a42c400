"""The fuzz targets on their corpus and a few hundred mutations of it; `make fuzz` goes on for longer."""

import random

import pytest

from tests.fuzz.run import CORPUS, NAMES, corpus_of, mutation
from tests.fuzz.targets import TARGETS

LARGEST_CORPUS_BYTES = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_refusals_comes_out(name: str) -> None:
    """Always the same mutations, so that a failure can be had again."""
    seeds, chance = corpus_of(name), random.Random(1)
    for data in seeds:
        TARGETS[name](data)
    for _ in range(300):
        TARGETS[name](mutation(seeds, chance))


def test_a_finding_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a decoder that raises what it should not."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr("tests.fuzz.targets.decode", broken)
    with pytest.raises(KeyError):
        TARGETS["image"](corpus_of("image")[0])


def test_the_corpus_is_small() -> None:
    """It is in the repository, and every target has one."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS) == set(NAMES)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) <= LARGEST_CORPUS_BYTES

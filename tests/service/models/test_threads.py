"""Threads of a batch (service/models/threads.py): one for tiny networks."""

import pytest

from service.models.threads import TINY_MACS, threads_for
from tests.service.packages import PackageRecipe


@pytest.mark.parametrize(
    ("macs", "tiny_threads", "threads"),
    [(1, 1, 1), (TINY_MACS, 1, 1), (TINY_MACS + 1, 1, 8), (0, 1, 8), (1, None, 8), (1, 8, 8)],
)
def test_a_tiny_network_has_its_own_number(macs: int, tiny_threads: int | None, threads: int) -> None:
    """One that nobody counted is like any other, and so is a tiny one where nobody tells them apart."""
    manifest = (
        PackageRecipe().manifest({"model.onnx": b"graph", "golden.npz": b"samples"}).model_copy(update={"macs": macs})
    )
    assert threads_for(manifest, threads=8, tiny_threads=tiny_threads) == threads

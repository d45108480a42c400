"""Memory for the GPU to read: an array of zeros everywhere, and as any other where there is none."""

import ctypes

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.engine import pinned
from service.engine.capture import CAPTURE
from service.engine.pinned import pinned_array


class FakeRuntime:
    """Keeps what is registered by its address."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.registered: dict[int | None, int] = {}
        self.refuses = refuses

    def cudaHostRegister(self, address: ctypes.c_void_p, size: ctypes.c_size_t, _: object) -> int:  # noqa: N802 - CUDA's
        self.registered[address.value] = size.value
        return 0

    def cudaHostUnregister(self, address: ctypes.c_void_p) -> int:  # noqa: N802
        if not self.refuses:
            del self.registered[address.value]
        return self.refuses

    def cudaGetLastError(self) -> int:  # noqa: N802
        return 0


def test_it_is_an_array_of_zeros() -> None:
    """Of bytes, in one piece, to be written to."""
    memory = pinned_array((2, 3, 4, 1), on_gpu=False)
    assert memory.dtype == np.uint8
    assert memory.shape == (2, 3, 4, 1)
    assert memory.flags.c_contiguous
    assert memory.flags.writeable
    assert not memory.any()


def test_without_a_gpu_it_is_memory_all_the_same() -> None:
    """What cannot be page-locked is slower and no error; nothing is left behind when it goes."""
    memory = pinned_array((1, 4, 4, 3), on_gpu=True)
    memory[:] = 7
    assert memory.sum() == 7 * 48
    del memory
    assert pinned_array((0, 4, 4, 3), on_gpu=True).size == 0


def test_it_is_unlocked_when_the_last_part_of_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """But never while a graph is recorded, by the thread itself neither: then once that is over."""
    runtime = FakeRuntime()
    monkeypatch.setattr(pinned, "_cuda_runtime", lambda: runtime)
    memory, others = pinned_array((2, 4, 4, 3), on_gpu=True), pinned_array((1, 4, 4, 3), on_gpu=True)
    assert sorted(runtime.registered.values()) == [48, 96]
    part = memory[1:].reshape(-1)
    del memory
    assert sorted(runtime.registered.values()) == [48, 96]
    del part
    assert list(runtime.registered.values()) == [48]
    with CAPTURE.recording():
        del others
        assert list(runtime.registered.values()) == [48]
    assert not runtime.registered
    with CAPTURE.work(), CAPTURE.work():
        pass


def test_what_cannot_be_unlocked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CUDA's code and the bytes."""
    monkeypatch.setattr(pinned, "_cuda_runtime", lambda: FakeRuntime(refuses=700))
    with capture_logs() as log:
        pinned_array((2, 4, 4, 3), on_gpu=True)
    assert [(entry["code"], entry["size"]) for entry in log] == [(700, 96)]

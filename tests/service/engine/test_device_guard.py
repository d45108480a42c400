"""Faults of the device, from a session that raises the runtime's own words (service/engine/device_guard.py)."""

import asyncio
from collections.abc import Iterable

import numpy as np
import pytest

from service.engine.batcher import Tensor
from service.engine.device_guard import DeviceGuard, Fault, fault_of
from service.engine.session import Outputs
from service.errors import DeviceExhausted, DeviceLost

STICKY = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; file=cuda_call.cc ; expr=x"
MEMORY = "Non-zero status code returned while running Conv node. bfc_arena.cc Failed to allocate memory for 1024 bytes"

ARENA = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Name:'node_Conv_32' Status "
    "Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* "
    "onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Available memory of 1183232 is "
    "smaller than requested bytes of 205520896"
)
"""Word for word what ONNX Runtime 1.31 said on an H200 whose arena was full."""


class Device:
    """Computes as long as the batch fits, and raises what it is told to."""

    def __init__(self, *, fits: int = 1000, words: Iterable[str] = ()) -> None:
        self.fits = fits
        self.words = list(words)
        self.sizes: list[int] = []

    async def compute(self, images: Tensor) -> Outputs:
        self.sizes.append(len(images))
        if self.words:
            raise RuntimeError(self.words.pop(0))
        if len(images) > self.fits:
            raise RuntimeError(MEMORY)
        values = images[:, 0, 0, 0].astype(np.float32)[:, np.newaxis]
        return Outputs(logits=values, embeddings=values * 2)


def images(count: int) -> Tensor:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (STICKY, Fault.LOST),
        ("CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0", Fault.LOST),
        ("CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED", Fault.LOST),
        ("CUDA error: device-side assert triggered", Fault.LOST),
        (MEMORY, Fault.MEMORY),
        (ARENA, Fault.MEMORY),
        ("CUDA failure 2: out of memory ; GPU=0", Fault.MEMORY),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", Fault.MEMORY),
        ("std::bad_alloc", Fault.MEMORY),
        ("Non-zero status code returned while running Reshape node: the input shapes do not match", None),
        ("", None),
    ],
)
def test_faults_are_known_by_their_words(words: str, fault: Fault | None) -> None:
    """Also where they are the cause of another error."""
    error = RuntimeError(words)
    assert fault_of(error) is fault
    outer = RuntimeError("the batch failed")
    outer.__cause__ = error
    assert fault_of(outer) is fault


async def test_without_memory_a_batch_is_computed_in_halves() -> None:
    """In order, and the caller notices nothing."""
    guard, device = DeviceGuard(), Device(fits=3)
    outputs = await guard.run(device.compute, images(5))
    assert outputs.logits[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert outputs.embeddings is not None
    assert outputs.embeddings[:, 0].tolist() == [0, 2, 4, 6, 8]
    assert device.sizes == [5, 3, 2]
    assert not guard.lost.is_set()


async def test_without_memory_for_the_halves_either_callers_try_again() -> None:
    """And the next batch that finds memory is computed as if nothing had been."""
    guard, device = DeviceGuard(), Device(fits=1)
    for _ in range(5):
        with pytest.raises(DeviceExhausted):
            await guard.run(device.compute, images(4))
        assert len((await guard.run(device.compute, images(1))).logits) == 1
    assert not guard.lost.is_set()


async def test_three_batches_in_a_row_without_memory_are_the_end() -> None:
    """Memory that never comes back is not waited for."""
    told: list[Fault] = []
    guard, device = DeviceGuard(observe=told.append), Device(fits=0)
    for _ in range(3):
        assert not guard.lost.is_set()
        with pytest.raises(DeviceExhausted):
            await guard.run(device.compute, images(4))
    assert guard.lost.is_set()
    assert "3 batches in a row" in guard.reason
    assert told == [Fault.MEMORY] * 6
    with pytest.raises(DeviceLost):
        await guard.run(device.compute, images(1))


async def test_any_other_cuda_error_is_for_good() -> None:
    """The device is not asked again, by whatever model, although it might answer."""
    guard, device = DeviceGuard(), Device(words=[STICKY])
    with pytest.raises(DeviceLost) as raised:
        await guard.run(device.compute, images(2))
    assert "CUDA" not in raised.value.sentence
    assert "700" in guard.reason
    async with asyncio.timeout(20):
        await guard.lost.wait()
    for call in (guard.run, guard.whole):
        with pytest.raises(DeviceLost):
            await call(device.compute, images(1))
    assert device.sizes == [2]


async def test_a_device_that_is_lost_between_the_halves_is_lost() -> None:
    """The second attempt meets the worse fault."""
    guard, device = DeviceGuard(), Device(words=[MEMORY, STICKY])
    with pytest.raises(DeviceLost):
        await guard.run(device.compute, images(2))
    assert guard.lost.is_set()


async def test_errors_of_the_graph_pass_as_they_are() -> None:
    """They are no fault of the device."""
    guard, device = DeviceGuard(), Device(words=["the input shapes do not match"])
    with pytest.raises(RuntimeError, match="shapes"):
        await guard.run(device.compute, images(2))
    assert not guard.lost.is_set()


def test_a_device_that_is_lost_while_a_model_loads_is_noticed() -> None:
    """And a model that is merely wrong is not mistaken for it."""
    guard = DeviceGuard()
    guard.look_at(None)
    guard.look_at(RuntimeError("not a graph"))
    assert not guard.lost.is_set()
    guard.look_at(RuntimeError(STICKY))
    assert guard.lost.is_set()

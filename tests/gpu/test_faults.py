"""What goes wrong on a real GPU is known by its words: no memory, no GPU, a context that is broken for good."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from service.engine.batcher import Tensor
from service.engine.device_guard import DeviceGuard, Fault
from service.engine.session import Outputs
from service.errors import DeviceExhausted
from service.models.manifest import Precision
from service.models.repository import Package
from tests.gpu.conftest import LoadSession

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}
SECONDS = 90
LITTLE_MEMORY = str(32 * 2**20)
TOO_MANY = 4096

LOSE_THE_DEVICE = """
import asyncio, os, sys
import numpy as np
import torch
from service.engine.device_guard import DeviceGuard
from service.engine.providers import CUDA_PROVIDER, Device, choose_provider
from service.engine.session import Session
from service.errors import DeviceLost
from service.models.repository import ModelRepository
from pathlib import Path

package = ModelRepository(Path(sys.argv[1])).open("fashion_cnn", 1)
manifest = package.manifest
choose_provider(Device.CUDA)
session = Session.load(package.read("model.onnx"), provider=CUDA_PROVIDER, threads=1, tensor=manifest.input.tensor,
                       outputs=manifest.outputs)
images = np.zeros((1, manifest.input.height, manifest.input.width, manifest.input.channels), dtype=np.uint8)
session.run(images)
try:  # an index beyond the end stops the kernel, and with it the context that both share
    torch.zeros(1, device="cuda")[torch.tensor([5], device="cuda")]
    torch.cuda.synchronize()
except RuntimeError as error:
    print("broken:", str(error).splitlines()[0])

async def compute(batch):
    return session.run(batch)

async def main():
    guard = DeviceGuard()
    try:
        await guard.run(compute, images)
    except DeviceLost:
        print("lost:", guard.lost.is_set(), guard.reason)
    except Exception as error:
        print("not known as a loss:", repr(error))

asyncio.run(main())
sys.stdout.flush()
os._exit(0)  # nothing can be put away in a broken context
"""


async def test_a_batch_that_finds_no_memory_is_refused_and_the_next_one_is_answered(
    load: LoadSession, package: Package
) -> None:
    """The error of the real allocator is known as one of memory; the first size that does not fit does in halves."""
    session = load(Precision.FP32, gpu_mem_limit=LITTLE_MEMORY, enable_cuda_graph="0")
    spec, faults = package.manifest.input, list[Fault]()
    guard = DeviceGuard(observe=faults.append)

    async def compute(images: Tensor) -> Outputs:
        return session.run(images)

    def images(count: int) -> Tensor:
        return np.zeros((count, spec.height, spec.width, spec.channels), dtype=np.uint8)

    count = 1
    while not faults and count < TOO_MANY:
        count *= 2
        assert len((await guard.run(compute, images(count))).logits) == count
    assert faults == [Fault.MEMORY]
    with pytest.raises(DeviceExhausted):
        await guard.run(compute, images(TOO_MANY))
    assert set(faults) == {Fault.MEMORY}
    assert len((await guard.run(compute, images(1))).logits) == 1
    assert not guard.lost.is_set()


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_without_a_gpu_the_service_does_not_start(models: Path, device: str) -> None:
    """It ends soon, with one line that says why, and answers nothing from the CPU."""
    began = time.monotonic()
    command = [sys.executable, "-m", "service", "--models", str(models), "--device", device]
    ports = ["--grpc-port", "0", "--http-port", "0", "--metrics-port", "0"]
    done = subprocess.run(
        [*command, *ports],
        env=ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode not in {0, -6, -11}, done.stderr
    assert "was asked for, but" in done.stdout + done.stderr
    assert time.monotonic() - began < SECONDS


def test_a_broken_context_is_known_as_a_lost_device(models: Path) -> None:
    """In a process of its own, since nothing can be computed in it any more."""
    done = subprocess.run(
        [sys.executable, "-c", LOSE_THE_DEVICE, str(models)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "broken:" in done.stdout, done.stdout + done.stderr[-2000:]
    assert "lost: True" in done.stdout, done.stdout + done.stderr[-2000:]

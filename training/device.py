"""Where a model is trained and evaluated, and in which arithmetic."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import torch
from torch import Tensor

from training.errors import DeviceMissing
from training.models import Classifier

TRIAL_BATCH = 32
TRIAL_STEPS = 3
SHORT_RUN_STEPS = 200
"""So many steps are over before a trial would have paid."""
ADVANTAGE = 1.15
"""bf16 must be so many times faster than fp32, which is as fast in every repetition and loses nothing."""
HELD_SHARE = 0.5
"""Pictures may fill so much of a GPU's free memory; the rest is for the activations."""


class Precision(StrEnum):
    """Arithmetic of the layers while training; weights are float32 in both, and so is evaluation."""

    FP32 = "fp32"
    BF16 = "bf16"


def choose_device(name: str) -> torch.device:
    """For "auto" a GPU where there is one. Raises DeviceMissing for "cuda" without one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceMissing("torch finds no CUDA device on this machine; leave out --device to use the CPU")
    if name == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # fp32 is what it says: the default drops 13 bits in convolutions
    return torch.device(name)


@contextmanager
def rough_convolutions() -> Iterator[None]:
    """Lets a GPU compute float32 convolutions in TF32: several times faster, for figures that are only looked at."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def hold(pixels: Tensor, device: torch.device) -> Tensor:
    """On the device where they fit there; else where they are, and the batches move one by one."""
    if device.type == "cuda" and pixels.nbytes > HELD_SHARE * torch.cuda.mem_get_info(device)[0]:
        return pixels
    return pixels.to(device)


def has_native_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16; elsewhere it is emulated, and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot say
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def fastest_precision(model: Classifier, *, steps: int) -> Precision:
    """What trains `model` for `steps` steps soonest where it lies; on a CPU that is tried out, for some seconds.

    Both ways happen: an epoch of fashion_cnn took 14.1 s in fp32 and 6.8 s in bf16 on 2 cores of an AMD EPYC; a step of
    ResNet-20 took 217 and 326 ms on 2 cores of an Intel Xeon that has avx512_bf16 too.
    """
    device = next(model.parameters()).device
    if not has_native_bf16(device) or (device.type == "cpu" and steps < SHORT_RUN_STEPS):
        return Precision.FP32
    if device.type == "cuda":
        return Precision.BF16
    seconds = {precision: step_seconds(model, precision) for precision in Precision}
    return Precision.BF16 if seconds[Precision.BF16] * ADVANTAGE < seconds[Precision.FP32] else Precision.FP32


def step_seconds(model: Classifier, precision: Precision) -> float:
    """Processor time of one forward and backward pass of a small batch, the least of a few; nothing is left behind.

    Processor time, because on a busy machine the clock on the wall measures the others.
    """
    tried = copy.deepcopy(model).to(memory_format=torch.channels_last).train()
    device = next(tried.parameters()).device
    seconds = []
    with torch.random.fork_rng(devices=[]):
        images = torch.randn(TRIAL_BATCH, *model.input_shape, device=device).to(memory_format=torch.channels_last)
        for _ in range(TRIAL_STEPS):
            started = time.process_time()
            with torch.autocast(device.type, torch.bfloat16, enabled=precision is Precision.BF16):
                outputs = tried.with_auxiliaries(images)
            torch.autograd.backward([output.float().square().mean() for output in outputs])
            seconds.append(time.process_time() - started)
    return min(seconds[1:])

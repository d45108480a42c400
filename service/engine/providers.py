"""Where a model computes: the execution provider of ONNX Runtime, chosen openly and never silently replaced.

ONNX Runtime falls back to the CPU when CUDA cannot be loaded; a server that was asked for CUDA must not.
"""

import ctypes
import sys
from dataclasses import dataclass
from enum import StrEnum

import onnxruntime


class Device(StrEnum):
    """What the settings may ask for."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
GPU_PROVIDERS = frozenset({CUDA_PROVIDER})


class ProviderUnavailable(Exception):
    """The device that the settings ask for cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The provider to use, and why it was chosen."""

    name: str
    reason: str


def choose_provider(device: Device) -> Provider:
    """Raises ProviderUnavailable where CUDA is asked for and cannot be had."""
    if device is Device.CPU:
        return Provider(name=CPU_PROVIDER, reason="the settings ask for the CPU")
    obstacle = cuda_obstacle()
    if obstacle is None:
        onnxruntime.preload_dlls()
        return Provider(name=CUDA_PROVIDER, reason=f"CUDA is here and the settings say {device}")
    if device is Device.CUDA:
        raise ProviderUnavailable(f"CUDA was asked for, but {obstacle}. Mend that, or start with --device cpu.")
    return Provider(name=CPU_PROVIDER, reason=obstacle)


def cuda_obstacle() -> str | None:
    """Why CUDA cannot be used here; None where nothing stands in the way."""
    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return "the installed onnxruntime has no CUDA provider (install the extra `service`, not `service-cpu`)"
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver is installed (libcuda cannot be loaded)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver sees no GPU (is one assigned to this container? is CUDA_VISIBLE_DEVICES empty?)"
    return None


def check_provider(session: onnxruntime.InferenceSession, wanted: str) -> None:
    """Raises ProviderUnavailable where the runtime put the session somewhere else than asked for."""
    got = session.get_providers()[0]
    if got != wanted:
        raise ProviderUnavailable(
            f"the session was to run on {wanted}, but ONNX Runtime put it on {got}: its CUDA or cuDNN libraries could "
            "not be loaded. Install the extra `cuda`, or start with --device cpu."
        )

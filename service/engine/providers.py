"""Where a model computes: the execution provider of ONNX Runtime, chosen openly and never silently replaced.

ONNX Runtime falls back to the CPU when CUDA cannot be loaded; a server that was asked for CUDA must not.
"""

import ctypes
import importlib.metadata
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import onnxruntime

from service.engine.execution import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    GPU_PROVIDERS,
    OPENVINO_PROVIDER,
    TENSORRT_PROVIDER,
)

__all__ = [
    "CPU_PROVIDER",
    "CUDA_PROVIDER",
    "GPU_PROVIDERS",
    "OPENVINO_PROVIDER",
    "TENSORRT_PROVIDER",
    "Device",
    "Provider",
    "ProviderUnavailable",
    "check_one_runtime",
    "check_provider",
    "choose_provider",
    "cuda_obstacle",
    "installed_runtimes",
    "openvino_obstacle",
    "tensorrt_obstacle",
]


class Device(StrEnum):
    """What the settings may ask for."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"


RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
"""Distributions that bring the module `onnxruntime`; of two of them, the files of one lie under those of the other."""


class ProviderUnavailable(Exception):
    """The device that the settings ask for cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The provider to use, and why it was chosen."""

    name: str
    reason: str


def choose_provider(device: Device) -> Provider:
    """Raises ProviderUnavailable where what is asked for cannot be had, or where two runtimes are installed.

    `auto` takes the first that can be had of CUDA, OpenVINO, which only its own runtime has, and the CPU.
    """
    check_one_runtime(installed_runtimes())
    if device is Device.CPU:
        return Provider(name=CPU_PROVIDER, reason="the settings ask for the CPU")
    obstacles = []
    for candidate in (Device.CUDA, Device.OPENVINO) if device is Device.AUTO else (device,):
        obstacle = OBSTACLES[candidate]()
        if obstacle is None:
            if candidate is not Device.OPENVINO:
                onnxruntime.preload_dlls()
            return Provider(name=NAMES[candidate], reason=f"{TITLES[candidate]} is here and the settings say {device}")
        obstacles.append(obstacle)
    if device is not Device.AUTO:
        raise ProviderUnavailable(
            f"{TITLES[device]} was asked for, but {obstacles[0]}. Mend that, or start with --device cpu."
        )
    return Provider(name=CPU_PROVIDER, reason=obstacles[0])


def installed_runtimes() -> list[str]:
    """Distributions of ONNX Runtime in this environment."""
    return [name for name in RUNTIMES if any(importlib.metadata.distributions(name=name))]


def check_one_runtime(installed: Sequence[str]) -> None:
    """Raises ProviderUnavailable where two runtimes lie in one another's files."""
    if len(installed) > 1:
        names = " and ".join(installed)
        raise ProviderUnavailable(
            f"{names} are both installed, and they overwrite each other's files: uninstall all of them, then install "
            "one of the extras `service`, `service-cpu` and `service-openvino`."
        )


def openvino_obstacle() -> str | None:
    """Why OpenVINO cannot be used here; None where nothing stands in the way."""
    if OPENVINO_PROVIDER in onnxruntime.get_available_providers():
        return None
    return "the installed onnxruntime has no OpenVINO provider (install the extra `service-openvino` instead)"


def tensorrt_obstacle() -> str | None:
    """Why TensorRT cannot be used here; None where nothing stands in the way."""
    if TENSORRT_PROVIDER not in onnxruntime.get_available_providers():
        return "the installed onnxruntime has no TensorRT provider (install the extra `service`, not `service-cpu`)"
    try:
        ctypes.CDLL("nvinfer_10.dll" if sys.platform == "win32" else "libnvinfer.so.10")
    except OSError:
        return "TensorRT is not installed (libnvinfer cannot be loaded)"
    return cuda_obstacle()


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


NAMES = {
    Device.CUDA: CUDA_PROVIDER,
    Device.TENSORRT: TENSORRT_PROVIDER,
    Device.OPENVINO: OPENVINO_PROVIDER,
    Device.CPU: CPU_PROVIDER,
}
TITLES = {Device.CUDA: "CUDA", Device.TENSORRT: "TensorRT", Device.OPENVINO: "OpenVINO"}
OBSTACLES: Mapping[Device, Callable[[], str | None]] = {
    Device.CUDA: lambda: cuda_obstacle(),  # noqa: PLW0108 - looked up when it is asked
    Device.TENSORRT: lambda: tensorrt_obstacle(),  # noqa: PLW0108
    Device.OPENVINO: lambda: openvino_obstacle(),  # noqa: PLW0108
}

"""Host memory that the GPU reads by itself: page-locked, which a copy to the device needs to go at full speed.

ONNX Runtime's Python interface gives out none, so memory of NumPy's is registered with the CUDA runtime it has loaded.
"""

import ctypes
import functools
import math
import weakref

import numpy as np
import numpy.typing as npt
import structlog

log = structlog.get_logger("service.pinned")

LIBRARIES = ("libcudart.so.13", "libcudart.so.12")
SUCCESS = 0


def pinned_array(shape: tuple[int, ...], *, on_gpu: bool) -> npt.NDArray[np.uint8]:
    """An array of zeros; page-locked for as long as it lives where there is a GPU and it can be done, else as any."""
    memory = np.zeros(math.prod(shape), dtype=np.uint8)
    runtime = _cuda_runtime() if on_gpu and memory.nbytes else None
    if runtime is not None:
        address = ctypes.c_void_p(memory.ctypes.data)
        code = runtime.cudaHostRegister(address, ctypes.c_size_t(memory.nbytes), ctypes.c_uint(0))
        if code == SUCCESS:
            weakref.finalize(memory, runtime.cudaHostUnregister, address).atexit = False
        else:
            runtime.cudaGetLastError()  # else the next call of somebody else would report it
            log.warning("host memory is not page-locked, copies to the GPU are slower", code=code, size=memory.nbytes)
    return memory.reshape(shape)


@functools.cache
def _cuda_runtime() -> ctypes.CDLL | None:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    log.warning("host memory is not page-locked: the CUDA runtime was not found", looked_for=", ".join(LIBRARIES))
    return None

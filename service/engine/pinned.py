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

from service.engine.capture import CAPTURE

log = structlog.get_logger("service.pinned")

LIBRARIES = ("libcudart.so.13", "libcudart.so.12")
SUCCESS = 0


def pinned_array(shape: tuple[int, ...], *, on_gpu: bool) -> npt.NDArray[np.uint8]:
    """An array of zeros; page-locked for as long as it lives where there is a GPU and it can be done, else as any."""
    owner = np.zeros(math.prod(shape), dtype=np.uint8)
    runtime = _cuda_runtime() if on_gpu and owner.nbytes else None
    memory = np.frombuffer(owner.data, dtype=np.uint8)  # which goes before its memory does
    if runtime is not None:
        address = ctypes.c_void_p(owner.ctypes.data)
        code = runtime.cudaHostRegister(address, ctypes.c_size_t(memory.nbytes), ctypes.c_uint(0))
        if code == SUCCESS:
            weakref.finalize(memory, CAPTURE.soon, functools.partial(_unregister, runtime, owner)).atexit = False
        else:
            runtime.cudaGetLastError()  # else the next call of somebody else would report it
            log.warning("host memory is not page-locked, copies to the GPU are slower", code=code, size=memory.nbytes)
    return memory.reshape(shape)


def _unregister(runtime: ctypes.CDLL, owner: npt.NDArray[np.uint8]) -> None:
    """While the memory is still there."""
    code = runtime.cudaHostUnregister(ctypes.c_void_p(owner.ctypes.data))
    if code != SUCCESS:
        runtime.cudaGetLastError()
        log.warning("host memory stays page-locked that is no longer used", code=code, size=owner.nbytes)


@functools.cache
def _cuda_runtime() -> ctypes.CDLL | None:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    log.warning("host memory is not page-locked: the CUDA runtime was not found", looked_for=", ".join(LIBRARIES))
    return None

"""Types of tensor elements by their names in the Open Inference Protocol, and how NumPy holds them here."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

AnyTensor = npt.NDArray[Any]


class Datatype(StrEnum):
    """BYTES are objects of type `bytes`; BF16 is held as the uint16 of its bits, since NumPy does not know it."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BF16 = "BF16"
    BYTES = "BYTES"

    @property
    def dtype(self) -> np.dtype[Any]:
        return NUMPY_TYPES[self]

    @property
    def is_integer(self) -> bool:
        return self is not Datatype.BF16 and self.dtype.kind in "iu"

    @property
    def is_float(self) -> bool:
        """Whether NumPy can count with it as a floating-point number."""
        return self.dtype.kind == "f"


NUMPY_TYPES: Mapping[Datatype, np.dtype[Any]] = MappingProxyType(
    {
        Datatype.BOOL: np.dtype(np.bool_),
        Datatype.UINT8: np.dtype("<u1"),
        Datatype.UINT16: np.dtype("<u2"),
        Datatype.UINT32: np.dtype("<u4"),
        Datatype.UINT64: np.dtype("<u8"),
        Datatype.INT8: np.dtype("<i1"),
        Datatype.INT16: np.dtype("<i2"),
        Datatype.INT32: np.dtype("<i4"),
        Datatype.INT64: np.dtype("<i8"),
        Datatype.FP16: np.dtype("<f2"),
        Datatype.FP32: np.dtype("<f4"),
        Datatype.FP64: np.dtype("<f8"),
        Datatype.BF16: np.dtype("<u2"),
        Datatype.BYTES: np.dtype(object),
    }
)

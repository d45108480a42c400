"""Inputs as tritonclient.grpc wants them."""

from typing import Any

import numpy as np
import tritonclient.grpc as triton  # type: ignore[import-not-found] # only in its own environment

from tests.integration.conformance.checks.expectations import picture


def given(name: str, values: Any, datatype: str) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def pixels(count: int = 1) -> Any:
    return given("image", np.stack([picture(place % 3) for place in range(count)]), "UINT8")

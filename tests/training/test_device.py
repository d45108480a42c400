"""The device is the one that was asked for, or the command says why not."""

import pytest
import torch

from training.device import Precision, choose_device, fastest_precision
from training.errors import DeviceMissing


def test_the_processor_is_always_there() -> None:
    """And some precision for it."""
    assert choose_device("cpu") == torch.device("cpu")
    assert fastest_precision(torch.device("cpu")) in Precision


def test_auto_takes_what_there_is() -> None:
    """A GPU where torch finds one."""
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_gpu_is_an_error_rather_than_a_slow_run() -> None:
    """With what to do instead."""
    with pytest.raises(DeviceMissing, match="leave out --device"):
        choose_device("cuda")

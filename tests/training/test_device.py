"""The device is the one that was asked for, or the command says why not."""

from contextlib import suppress

import pytest
import torch

from training.device import (
    Precision,
    choose_device,
    fastest_precision,
    has_native_bf16,
    rough_convolutions,
    step_seconds,
)
from training.errors import DeviceMissing
from training.models import build


def test_the_processor_is_always_there() -> None:
    """And a precision for it."""
    assert choose_device("cpu") == torch.device("cpu")
    assert fastest_precision(build("lenet5"), steps=10_000) in Precision


def test_a_short_run_is_not_worth_a_trial() -> None:
    """So it is the same on every processor."""
    assert fastest_precision(build("lenet5"), steps=10) is Precision.FP32


@pytest.mark.parametrize(("seconds", "chosen"), [((2.0, 1.0), Precision.BF16), ((2.0, 1.9), Precision.FP32)])
def test_bf16_must_be_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, float], chosen: Precision
) -> None:
    """Otherwise the exacter arithmetic is taken."""
    times = dict(zip((Precision.FP32, Precision.BF16), seconds, strict=True))
    monkeypatch.setattr("training.device.step_seconds", lambda _model, precision: times[precision])
    monkeypatch.setattr("training.device.has_native_bf16", lambda _device: True)
    assert fastest_precision(build("lenet5"), steps=1000) is chosen


def test_a_trial_leaves_nothing_behind() -> None:
    """Weights, gradients, batch statistics and random numbers are what they were."""
    model = build("fashion_cnn")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    assert step_seconds(model, Precision.FP32) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
    assert isinstance(has_native_bf16(torch.device("cpu")), bool)


@pytest.mark.parametrize("before", [False, True])
def test_convolutions_are_rough_for_a_while_only(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    """Also where what was computed failed."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
    with suppress(MemoryError), rough_convolutions():
        assert torch.backends.cudnn.allow_tf32
        raise MemoryError
    assert torch.backends.cudnn.allow_tf32 is before


def test_auto_takes_what_there_is() -> None:
    """A GPU where torch finds one."""
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_gpu_is_an_error_rather_than_a_slow_run() -> None:
    """With what to do instead."""
    with pytest.raises(DeviceMissing, match="leave out --device"):
        choose_device("cuda")

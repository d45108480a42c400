"""Providers: the CPU when asked for, CUDA or an error when asked for, and never one for the other in silence."""

import ctypes

import onnxruntime
import pytest

from service.engine import providers
from service.engine.providers import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    OPENVINO_PROVIDER,
    Device,
    Provider,
    ProviderUnavailable,
    check_one_runtime,
    check_provider,
    choose_provider,
    cuda_obstacle,
    installed_runtimes,
)
from tests.service.packages import graph

OBSTACLE = "no NVIDIA driver is installed"


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "cuda_obstacle", lambda: OBSTACLE)
    monkeypatch.setattr(providers, "openvino_obstacle", lambda: "there is no OpenVINO")


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine where nothing stands in the way; the list tells whether the libraries were loaded."""
    loaded: list[str] = []
    monkeypatch.setattr(providers, "cuda_obstacle", lambda: None)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append("preloaded"), raising=False)
    return loaded


class RuntimeOn:
    """A session that ended up on a provider."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def get_providers(self) -> list[str]:
        return self._names


def test_the_cpu_is_used_where_it_is_asked_for(with_cuda: list[str]) -> None:
    """Even beside a GPU, and without touching its libraries."""
    assert choose_provider(Device.CPU) == Provider(name=CPU_PROVIDER, reason="the settings ask for the CPU")
    assert with_cuda == []


def test_auto_says_why_it_took_the_cpu(without_cuda: None) -> None:
    """The obstacle is the reason, for the log."""
    assert choose_provider(Device.AUTO) == Provider(name=CPU_PROVIDER, reason=OBSTACLE)


def test_cuda_that_cannot_be_had_is_an_error(without_cuda: None) -> None:
    """It names the obstacle and the way out."""
    with pytest.raises(ProviderUnavailable, match=f"{OBSTACLE}.*--device cpu"):
        choose_provider(Device.CUDA)


@pytest.mark.parametrize("device", [Device.AUTO, Device.CUDA])
def test_cuda_is_used_where_it_is(with_cuda: list[str], device: Device) -> None:
    """Its libraries are loaded before the first session."""
    chosen = choose_provider(device)
    assert chosen.name == CUDA_PROVIDER
    assert str(device) in chosen.reason
    assert with_cuda == ["preloaded"]


def test_a_runtime_without_cuda_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says which extra to install."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU_PROVIDER])
    assert "service-cpu" in str(cuda_obstacle())


def test_a_machine_without_a_driver_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that could is not enough."""

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert "driver" in str(cuda_obstacle())


@pytest.mark.parametrize(("status", "devices", "obstacle"), [(0, 0, True), (100, 1, True), (0, 1, False)])
def test_a_driver_without_a_gpu_is_an_obstacle(
    monkeypatch: pytest.MonkeyPatch, status: int, devices: int, obstacle: bool
) -> None:
    """As in a container that no GPU was given to."""

    class Driver:
        def __init__(self, name: str) -> None:
            self.name = name

        def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's name
            return status

        def cuDeviceGetCount(self, count: object) -> int:  # noqa: N802 - the driver's name
            count._obj.value = devices  # type: ignore[attr-defined] # what byref points to
            return 0

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(ctypes, "CDLL", Driver)
    assert (cuda_obstacle() is not None) is obstacle


def test_a_session_that_fell_back_is_an_error() -> None:
    """ONNX Runtime puts a session on the CPU when CUDA fails; the server must not go on like that."""
    with pytest.raises(ProviderUnavailable, match=f"{CUDA_PROVIDER}.*{CPU_PROVIDER}"):
        check_provider(RuntimeOn(CPU_PROVIDER), CUDA_PROVIDER)
    check_provider(RuntimeOn(CUDA_PROVIDER, CPU_PROVIDER), CUDA_PROVIDER)


def test_a_real_session_passes_on_the_cpu() -> None:
    """The check reads what the runtime itself says."""
    check_provider(onnxruntime.InferenceSession(graph(), providers=[CPU_PROVIDER]), CPU_PROVIDER)


def test_openvino_is_taken_where_its_runtime_is_installed(without_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `auto` as well, since nobody installs it for anything else."""
    monkeypatch.setattr(providers, "openvino_obstacle", lambda: None)
    for device in (Device.AUTO, Device.OPENVINO):
        assert choose_provider(device).name == OPENVINO_PROVIDER


@pytest.mark.parametrize(("device", "title"), [(Device.OPENVINO, "OpenVINO"), (Device.TENSORRT, "TensorRT")])
def test_what_cannot_be_had_is_an_error(device: Device, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never another provider in silence."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU_PROVIDER])
    with pytest.raises(ProviderUnavailable, match=f"{title} was asked for.*install the extra"):
        choose_provider(device)


def test_two_runtimes_are_refused() -> None:
    """They share a module name, so the later one lies in the files of the earlier."""
    check_one_runtime(["onnxruntime-gpu"])
    check_one_runtime(installed_runtimes())
    with pytest.raises(ProviderUnavailable, match=r"onnxruntime and onnxruntime-gpu are both installed.*uninstall"):
        check_one_runtime(["onnxruntime", "onnxruntime-gpu"])

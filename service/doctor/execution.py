"""The doctor on what computes: ONNX Runtime, NVIDIA's driver, and the provider that a start would choose."""

from collections.abc import Iterator

import onnxruntime

from service import machine
from service.config import Settings
from service.doctor.finding import Finding, failure, warning, well
from service.engine import providers
from service.engine.providers import CUDA_PROVIDER, Device, ProviderUnavailable, choose_provider


def look_at_runtime(_: Settings) -> Iterator[Finding]:
    installed = providers.installed_runtimes()
    saw = f"{' and '.join(installed) or 'onnxruntime'} {onnxruntime.__version__}"
    if len(installed) > 1:
        yield failure(
            "runtime", saw, "They overwrite each other: uninstall all, then install the one that the extra names."
        )
    else:
        yield well("runtime", saw)


def look_at_driver(settings: Settings) -> Iterator[Finding]:
    """Whether NVIDIA's driver is new enough for the CUDA that the runtime was built with; nothing where there is none,
    since the provider says that.
    """
    needed, has = _cuda_of_runtime(), machine.cuda_of_driver()
    if settings.device is Device.CPU or needed is None or has is None:
        return
    saw = f"the NVIDIA driver can do CUDA {_dotted(has)}, the runtime needs {_dotted(needed)}"
    if has[0] < needed[0]:
        yield failure("driver", saw, "Install a newer driver on the host, or set device to cpu.")
    else:
        yield well("driver", saw)


def _cuda_of_runtime() -> tuple[int, int] | None:
    """What the installed ONNX Runtime was built with; None for one without CUDA."""
    version = str(getattr(onnxruntime, "cuda_version", "") or "")
    major, _, minor = version.partition(".")
    return (int(major), int(minor or 0)) if major.isdigit() and (minor or "0").isdigit() else None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def look_at_provider(settings: Settings) -> Iterator[Finding]:
    try:
        provider = choose_provider(settings.device)
    except ProviderUnavailable as error:
        yield failure("provider", str(error), "Install the driver and the extra `cuda`, or set device to cpu.")
        return
    saw = f"{provider.name}: {provider.reason}"
    if settings.device is Device.AUTO and provider.name != CUDA_PROVIDER:
        yield warning("provider", saw, "If this machine has a GPU, mend that; else set device to cpu.")
    else:
        yield well("provider", saw)

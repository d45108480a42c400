"""Providers as data: what each is given, and which options it has."""

import json

import pytest

from service.engine.execution import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    EXECUTIONS,
    OPENVINO_PROVIDER,
    OptionUnknown,
    checked_options,
    options_of,
)


def test_options_are_read_from_one_text() -> None:
    """Spaces do not count, and nothing is nothing."""
    assert options_of("") == {}
    assert options_of("a=1, b = x=y ,") == {"a": "1", "b": "x=y"}
    for text in ("a", "a=", "=1"):
        with pytest.raises(OptionUnknown, match="NAME=VALUE"):
            options_of(text)


def test_an_option_that_the_provider_lacks_is_named() -> None:
    """With those that it has."""
    assert checked_options(CUDA_PROVIDER, "gpu_mem_limit=1000") == {"gpu_mem_limit": "1000"}
    with pytest.raises(OptionUnknown, match=r"gpu_memory_limit.*gpu_mem_limit"):
        checked_options(CUDA_PROVIDER, "gpu_memory_limit=1000")
    with pytest.raises(OptionUnknown, match="it has: none"):
        checked_options(CPU_PROVIDER, "gpu_mem_limit=1000")


def test_what_is_set_outranks_the_defaults() -> None:
    """The rest of them stays."""
    options = EXECUTIONS[CUDA_PROVIDER].options({"cudnn_conv_algo_search": "DEFAULT"}, threads=2)
    assert options == {
        "use_tf32": "0",
        "cudnn_conv_algo_search": "DEFAULT",
        "arena_extend_strategy": "kSameAsRequested",
        "enable_cuda_graph": "1",
    }


def test_openvino_is_told_in_json() -> None:
    """The threads are those of the settings, and float32 stays float32."""
    options = EXECUTIONS[OPENVINO_PROVIDER].options({"NUM_STREAMS": "2"}, threads=3)
    assert options["device_type"] == "CPU"
    assert json.loads(options["load_config"])["CPU"] == {
        "INFERENCE_NUM_THREADS": "3",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": "2",
    }

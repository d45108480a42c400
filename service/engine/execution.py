"""The execution providers as data: the name of each, what it is given by default, and which options it may be given.

An option that a provider does not know would be refused by ONNX Runtime in words that do not name the setting, or be
ignored in silence, so every one is looked up here first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
TENSORRT_PROVIDER = "TensorrtExecutionProvider"
OPENVINO_PROVIDER = "OpenVINOExecutionProvider"
GPU_PROVIDERS = frozenset({CUDA_PROVIDER, TENSORRT_PROVIDER})
CUDA_GRAPHS = "enable_cuda_graph"
CHANNELS_LAST = "prefer_nhwc"
"""What the tensor cores take without a transposition: a fifth faster in half precision (ResNet-50 on an H200)."""

Options = Mapping[str, str]


class OptionUnknown(Exception):
    """An option that the provider does not have; the text names those that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One provider of ONNX Runtime."""

    name: str
    defaults: Options = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    """Options that may be set besides those with a default."""

    def check(self, options: Options) -> None:
        """Raises OptionUnknown."""
        allowed = self.known | self.defaults.keys()
        for option in options:
            if option not in allowed:
                there = ", ".join(sorted(allowed)) or "none"
                raise OptionUnknown(f"{self.name} has no option {option!r}; it has: {there}")

    def options(self, given: Options, *, threads: int) -> dict[str, str]:
        """What the runtime is handed. OpenVINO takes its properties as one JSON text."""
        merged = {**self.defaults, **given}
        if self.name != OPENVINO_PROVIDER:
            return merged
        properties = {"INFERENCE_NUM_THREADS": str(threads), **merged}
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": properties})}


def options_of(text: str) -> dict[str, str]:
    """`NAME=VALUE,NAME=VALUE` as a settings file or the command line says it. Raises OptionUnknown."""
    options = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise OptionUnknown(f"{part!r} is no option: write NAME=VALUE, several with commas between them")
        options[name.strip()] = value.strip()
    return options


def checked_options(provider: str, text: str) -> dict[str, str]:
    """What a setting says for a provider. Raises OptionUnknown."""
    options = options_of(text)
    EXECUTIONS[provider].check(options)
    return options


EXECUTIONS: Mapping[str, Execution] = MappingProxyType(
    {
        execution.name: execution
        for execution in (
            Execution(name=CPU_PROVIDER),
            Execution(
                name=CUDA_PROVIDER,
                defaults={
                    # TF32 keeps ten bits of each factor, which moves logits by a thousandth: too much to tell a faulty
                    # graph from.
                    "use_tf32": "0",
                    # An exhaustive search for each new shape takes seconds, and its result changes from start to start.
                    "cudnn_conv_algo_search": "HEURISTIC",
                    # The arena grows by what is asked for; by default it doubles, and the last doubling fails.
                    "arena_extend_strategy": "kSameAsRequested",
                    # Every kernel of a batch is launched at once; where a model does not allow it, it goes without.
                    CUDA_GRAPHS: "1",
                },
                known=frozenset(
                    {
                        "device_id",
                        "gpu_mem_limit",
                        "do_copy_in_default_stream",
                        "cudnn_conv_use_max_workspace",
                        CHANNELS_LAST,
                        "fuse_conv_bias",
                    }
                ),
            ),
            Execution(
                name=TENSORRT_PROVIDER,
                defaults={"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"},
                known=frozenset(
                    {
                        "device_id",
                        "trt_engine_cache_path",
                        "trt_timing_cache_path",
                        "trt_max_workspace_size",
                        "trt_fp16_enable",
                        "trt_int8_enable",
                        "trt_builder_optimization_level",
                    }
                ),
            ),
            Execution(
                name=OPENVINO_PROVIDER,
                # Else OpenVINO computes in bfloat16 wherever the processor can, and the golden samples disagree.
                defaults={"INFERENCE_PRECISION_HINT": "f32"},
                known=frozenset({"NUM_STREAMS", "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING", "PERFORMANCE_HINT"}),
            ),
        )
    }
)

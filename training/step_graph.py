"""A step recorded as CUDA graphs: a few hundred kernels of some microseconds are sent to the GPU as one.

Of a small network the sending takes longer than the computing. A graph is recorded for each size of batch, after a few
steps that went the usual way; from then on only the indices of the batch change.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.errors import TrainingFailed
from training.step import Step, StepLoss

USUAL_STEPS = 3
"""Before a recording libraries must have chosen their kernels, which they do in the first steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A graph with the memory that it reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    indices: Tensor
    loss: StepLoss
    gradients: list[Tensor | None]


class GraphedStep:
    """The same step as the one it is given, to the random numbers; all it needs must lie on the GPU.

    What a call returns is overwritten by the next one. Which parameters have gradients may not change.
    """

    def __init__(self, step: Step, model: nn.Module, generator: torch.Generator) -> None:
        self._step = step
        self._parameters = list(model.parameters())
        self._generator = generator
        self._stream = torch.cuda.Stream(generator.device)  # type: ignore[no-untyped-call]  # so in torch
        self._pool = torch.cuda.graph_pool_handle()
        self._seen: Counter[int] = Counter()
        self._recordings: dict[int, Recording] = {}

    def __call__(self, indices: Tensor) -> StepLoss:
        count = len(indices)
        self._seen[count] += 1
        if self._seen[count] <= USUAL_STEPS:
            return self._usual(indices)
        if count not in self._recordings:
            self._recordings[count] = self._record(indices)
        recording = self._recordings[count]
        recording.indices.copy_(indices)
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.loss

    def _usual(self, indices: Tensor) -> StepLoss:
        """On the stream of the recording, to which autograd would otherwise have to come over."""
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            loss = self._step(indices)
        here.wait_stream(self._stream)
        return loss

    def _record(self, indices: Tensor) -> Recording:
        """Computes nothing. Raises TrainingFailed where memory is short or a model does what cannot be recorded."""
        graph, place = torch.cuda.CUDAGraph(), indices.clone()
        graph.register_generator_state(self._generator)
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                loss = self._step(place)
        except torch.OutOfMemoryError as error:
            raise TrainingFailed(
                f"the GPU has no memory for the CUDA graph of a step of {len(indices)} images; end what else uses the "
                "GPU, or train with --no-graph, which needs less"
            ) from error
        except RuntimeError as error:
            raise TrainingFailed(
                f"a step of this model cannot be recorded as a CUDA graph ({str(error).splitlines()[0]}); "
                "train it with --no-graph"
            ) from error
        gradients = [parameter.grad for parameter in self._parameters]
        return Recording(graph=graph, indices=place, loss=loss, gradients=gradients)

"""What is sent to a service, with the answers that are right, from the same graph in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from recognition.oip import open_inference_pb2 as oip
from recognition.v1 import recognition_pb2 as pb

from benchmarks.limits import RawModel
from benchmarks.readers import BATCH_CLASSIFY, CLASSIFY, MODEL_INFER

REQUESTS = 16
TIE = 1e-3
"""Labels whose logits come as close as that to the best one are right too: sums round otherwise in another batch."""
TOP_K = 5

Best = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests of one method; `answer` is the one to the first request, as a whole message."""

    method: str
    requests: tuple[bytes, ...]
    best: tuple[Best, ...]
    answer: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        """What a Job takes of it."""
        return {"method": self.method, "requests": self.requests, "best": self.best}

    @property
    def of_echo(self) -> dict[str, Any]:
        """The first request alone, since an echo knows one answer."""
        return {"method": self.method, "requests": self.requests[:1], "best": self.best[:1]}


def infer_traffic(
    name: str, model: RawModel, *, images_per_call: int, requests: int = REQUESTS, tie: float = TIE
) -> Traffic:
    """Random uint8 tensors as raw contents of the Open Inference Protocol."""
    run = model.session(1)
    tensors = [model.random_images(images_per_call, seed) for seed in range(requests)]
    logits = [run(tensor) for tensor in tensors]
    return Traffic(
        method=MODEL_INFER,
        requests=tuple(_infer_request(name, model, tensor) for tensor in tensors),
        best=tuple(best_of(rows, tie) for rows in logits),
        answer=_infer_answer(name, logits[0]),
    )


def classify_traffic(name: str, model: RawModel, files: Sequence[bytes], *, tie: float = TIE) -> Traffic:
    """One encoded image a call."""
    run = model.session(1)
    selector = pb.ModelSelector(name=name)
    requests = [
        pb.ClassifyRequest(image=file, model=selector, options=pb.ClassifyOptions(top_k=TOP_K)) for file in files
    ]
    return Traffic(
        method=CLASSIFY,
        requests=tuple(request.SerializeToString() for request in requests),
        best=tuple(best_of(run(model.prepare(file)[np.newaxis]), tie) for file in files),
    )


def batch_traffic(single: Traffic, *, images_per_call: int, requests: int) -> Traffic:
    """The images of single calls, several of them in each."""
    given = [pb.ClassifyRequest.FromString(request) for request in single.requests]
    calls, best = [], []
    for number in range(requests):
        places = [(number + place) % len(given) for place in range(images_per_call)]
        images = [given[place].image for place in places]
        calls.append(pb.BatchClassifyRequest(images=images, model=given[0].model, options=given[0].options))
        best.append(tuple(indices for place in places for indices in single.best[place]))
    return Traffic(method=BATCH_CLASSIFY, requests=tuple(call.SerializeToString() for call in calls), best=tuple(best))


def best_of(logits: npt.NDArray[np.float32], tie: float = TIE) -> Best:
    """For each row the indices that are right."""
    return tuple(tuple(np.flatnonzero(row >= row.max() - tie).tolist()) for row in logits)


def _infer_request(name: str, model: RawModel, tensor: npt.NDArray[np.uint8]) -> bytes:
    given = oip.ModelInferRequest.InferInputTensor(name=model.spec.tensor, datatype="UINT8", shape=tensor.shape)
    request = oip.ModelInferRequest(model_name=name, inputs=[given], raw_input_contents=[tensor.tobytes()])
    return bytes(request.SerializeToString())


def _infer_answer(name: str, logits: npt.NDArray[np.float32]) -> bytes:
    output = oip.ModelInferResponse.InferOutputTensor(name="logits", datatype="FP32", shape=logits.shape)
    answer = oip.ModelInferResponse(
        model_name=name, model_version="1", outputs=[output], raw_output_contents=[logits.tobytes()]
    )
    return bytes(answer.SerializeToString())

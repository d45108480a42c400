"""The methods that are measured, and how the best labels are read from the answers of each."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from recognition.oip import open_inference_pb2 as oip
from recognition.v1 import recognition_pb2 as pb

CLASSIFY = "/recognition.v1.RecognitionService/Classify"
BATCH_CLASSIFY = "/recognition.v1.RecognitionService/BatchClassify"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
FAILED = -1
"""Instead of a label, for one image of a call that was answered with an error."""


def best_of_classify(answer: bytes) -> Sequence[int]:
    return [pb.ClassifyResponse.FromString(answer).classification.predictions[0].index]


def best_of_infer(answer: bytes) -> Sequence[int]:
    message = oip.ModelInferResponse.FromString(answer)
    logits = np.frombuffer(message.raw_output_contents[0], dtype=np.float32)
    best: list[int] = logits.reshape(message.outputs[0].shape).argmax(axis=1).tolist()
    return best


def best_of_batch(answer: bytes) -> Sequence[int]:
    results = pb.BatchClassifyResponse.FromString(answer).results
    return [
        result.classification.predictions[0].index if result.HasField("classification") else FAILED
        for result in results
    ]


READERS: Mapping[str, Callable[[bytes], Sequence[int]]] = {
    CLASSIFY: best_of_classify,
    BATCH_CLASSIFY: best_of_batch,
    MODEL_INFER: best_of_infer,
}

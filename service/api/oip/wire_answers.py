"""A ModelInferResponse as bytes: what is the same in many answers is made once, the tensors are laid behind it.

The order of a message's fields is free, so that every reader of protobuf finds in them what it would find in the
message that `answer_message` makes.
"""

from recognition.oip import open_inference_pb2 as pb

from service.api.oip.encoding import encode_raw
from service.api.oip.requests import InferAnswer, OutputTensor

MOST_KNOWN = 64
"""Forms of answers that are remembered; each shape is one."""
RAW_FIELD = pb.ModelInferResponse.DESCRIPTOR.fields_by_name["raw_output_contents"].number
DELIMITED = 2
RAW_KEY = bytes([RAW_FIELD << 3 | DELIMITED])

Form = tuple[str, int, tuple[tuple[str, str, tuple[int, ...]], ...]]


class WireAnswers:
    """Writes answers; lives on one event loop."""

    def __init__(self) -> None:
        self._known: dict[Form, bytes] = {}

    def bytes_of(self, answer: InferAnswer) -> bytes:
        """The elements are always raw."""
        form = (answer.model, answer.version, tuple(map(_form, answer.outputs)))
        pieces = [self._known.get(form) or self._remember(form)]
        if answer.id:
            pieces.append(pb.ModelInferResponse(id=answer.id).SerializeToString())
        for output in answer.outputs:
            raw = encode_raw(output.tensor)
            pieces += (RAW_KEY, _varint(len(raw)), raw)
        return b"".join(pieces)

    def _remember(self, form: Form) -> bytes:
        model, version, outputs = form
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        message = pb.ModelInferResponse(
            model_name=model,
            model_version=str(version),
            outputs=[
                pb.ModelInferResponse.InferOutputTensor(name=name, datatype=datatype, shape=shape)
                for name, datatype, shape in outputs
            ],
        )
        self._known[form] = message.SerializeToString()
        return self._known[form]


def _form(output: OutputTensor) -> tuple[str, str, tuple[int, ...]]:
    return output.name, output.datatype, output.tensor.shape


def _varint(value: int) -> bytes:
    """A length, seven bits a byte."""
    digits = bytearray()
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)

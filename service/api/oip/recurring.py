"""Requests for inference that come again with another tensor in them, which is what most clients send.

What stands before the tensor, and how long it is, are the same bytes each time, so they mean the same each time: such a
request is known by them, and only its tensor is looked at.
"""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from service.api.oip.messages import request_of
from service.api.oip.requests import GivenTensor, InferRequest
from service.api.oip.wire import begin_of_only_tensor, read_request
from service.engine.datatypes import Datatype

MOST_KNOWN = 8
"""Forms of requests that are remembered, the latest."""
TRIES = 8
"""Of so many requests in a form that is not known one is remembered: to do so costs as much as to read it."""
LONGEST_KNOWN = 4096
"""Bytes before the tensor of a request that is remembered: what clients say there once may be as long as a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """All of a request but the elements of its one tensor."""

    size: int
    prefix: bytes
    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    request: InferRequest
    """Without its input."""

    def filled(self, data: bytes) -> InferRequest:
        """With the tensor of these bytes."""
        old = self.request
        tensor = np.frombuffer(data, dtype=self.datatype.dtype, offset=len(self.prefix)).reshape(self.shape)
        return InferRequest(
            model=old.model,
            version=old.version,
            id=old.id,
            timeout_seconds=old.timeout_seconds,
            priority=old.priority,
            precision=old.precision,
            inputs=(GivenTensor(name=self.name, datatype=self.datatype, tensor=tensor),),
            outputs=old.outputs,
        )


class RecurringRequests:
    """Reads requests; lives on one event loop."""

    def __init__(self) -> None:
        self._known: deque[_Form] = deque(maxlen=MOST_KNOWN)
        self._unknown = 0

    def read(self, data: bytes) -> InferRequest:
        """Raises protobuf's DecodeError, ArgumentInvalid or NotOffered."""
        size = len(data)
        for form in self._known:
            if size == form.size and data.startswith(form.prefix):
                return form.filled(data)
        read = read_request(data)
        request = request_of(read.message, read.raw)
        self._unknown += 1
        if self._unknown % TRIES == 0:
            self._remember(data, request)
        return request

    def _remember(self, data: bytes, request: InferRequest) -> None:
        """Where there is one tensor, of numbers, and its bytes are the last of the request."""
        if len(request.inputs) != 1 or request.inputs[0].datatype is Datatype.BYTES:
            return
        (given,), begin = request.inputs, begin_of_only_tensor(data)
        if begin is None or begin > LONGEST_KNOWN:
            return
        self._known.append(
            _Form(
                size=len(data),
                prefix=data[:begin],
                name=given.name,
                datatype=given.datatype,
                shape=given.tensor.shape,
                request=replace(request, inputs=()),
            )
        )

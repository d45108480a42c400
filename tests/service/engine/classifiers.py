"""Classifiers on a fake session, the pictures that are sent to them, and an outline of their answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.engine.answers import Answers
from service.engine.batcher import Batcher, BatchPolicy
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoders import InThread
from service.engine.pipeline import Classifier
from service.engine.times import Stage
from service.errors import ServiceError
from service.models.manifest import Calibration, InputSpec, PixelFormat
from tests.service.engine.fake_session import FakeSession
from tests.service.packages import encode

SPEC = InputSpec(pixel_format=PixelFormat.GRAY8, height=2, width=3, mean=(0.0,), std=(1.0,))
LABELS = ("bright", "dark")
TEMPERATURE = 100.0


def file(value: int) -> bytes:
    """An encoded picture of one colour, of another size than the model's input."""
    return encode(np.full((5, 4), value, dtype=np.uint8))


def share(value: int) -> float:
    """The probability of `bright` for that colour: the logits are (value, -value)."""
    return float(1 / (1 + np.exp(-2 * value / TEMPERATURE)))


class Subject:
    """A classifier on a fake session; remembers the stages it was told of."""

    def __init__(
        self, *, policy: BatchPolicy, calibration: Calibration, chunk_images: int = 4, decode: Decode = decode
    ) -> None:
        self.session = FakeSession()
        self.stages = list[tuple[Stage, float]]()
        self.workers = ThreadPoolExecutor(max_workers=2)
        self.batcher = Batcher(self.session.run, policy)
        self.classifier = Classifier(
            spec=SPEC,
            labels=LABELS,
            calibration=calibration,
            limits=ImageLimits(max_side=100),
            batcher=self.batcher,
            workers=self.workers,
            chunk_images=chunk_images,
            decoders=InThread(ImageLimits(max_side=100), decode=decode),
            observe=lambda stage, seconds: self.stages.extend((stage, one) for one in seconds),
        )

    async def stop(self) -> None:
        self.session.gate.set()
        await self.batcher.drain()
        self.workers.shutdown()


async def started(policy: BatchPolicy | None = None, *, unknown_threshold: float | None = None) -> Subject:
    calibration = Calibration(temperature=TEMPERATURE, unknown_threshold=unknown_threshold)
    subject = Subject(policy=policy or BatchPolicy(), calibration=calibration)
    await subject.batcher.start()
    return subject


def outline(results: Answers) -> list[float | type[ServiceError]]:
    """Of each image the probability of `bright`, or what went wrong."""
    return [
        type(result) if isinstance(result, ServiceError) else round(result.classification.predictions[0].probability, 6)
        for result in results.each()
    ]

"""A packaged image classifier as a TensorModel: its uint8 tensor, or encoded images as BYTES, in; logits out.

On request also the embedding, and `error`: for each encoded image the reason and the sentence of what is wrong with it,
empty where nothing is. Without `error` a bad image fails the request; with it, its numbers are NaN.
"""

import time
from collections.abc import Collection, Mapping

import numpy as np
from recognition.oip.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput, ModelVersionPolicy

from service.engine.computed_images import ComputedImages
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.priority import Priority
from service.engine.tensor_session import TensorSpec
from service.engine.time_columns import Column
from service.engine.times import Work, work_of_columns
from service.errors import ImageTooLarge, ImageUnreadable, ImageUnsupported
from service.models.live_model import LiveModel
from service.models.tensor_model import Computed
from service.models.triton_config import BACKEND, LABELS_FILE, PLATFORM, say_priorities

ERROR = "error"
ANY = -1
IMAGE_FAULTS = (ImageUnreadable, ImageUnsupported, ImageTooLarge)


class PackagedTensors:
    """Looks at a live package this way; built once for each, since every call asks for what does not change."""

    def __init__(self, *, live: LiveModel, max_batch_size: int, max_images: int) -> None:
        """A tensor is one batch; encoded images, which become tensors one by one, may be more than fit into one."""
        manifest = live.manifest
        spec, outputs = manifest.input, manifest.outputs
        self.live = live
        self.name = manifest.name
        self.version = manifest.version
        self.max_batch_size = max_batch_size
        image = TensorSpec(
            name=spec.tensor,
            datatype=Datatype.UINT8,
            shape=(ANY, spec.height, spec.width, spec.channels),
            most_images=max_images,
        )
        logits = TensorSpec(
            name=outputs.logits, datatype=Datatype.FP32, shape=(ANY, len(manifest.labels)), labels=manifest.labels
        )
        error = TensorSpec(name=ERROR, datatype=Datatype.BYTES, shape=(ANY,))
        self.inputs: tuple[TensorSpec, ...] = (image,)
        self.outputs: tuple[TensorSpec, ...] = (logits,)
        self.outputs_on_request: tuple[TensorSpec, ...] = (error,)
        if outputs.embedding is not None:
            shape = (ANY, outputs.embedding_size)
            embedding = TensorSpec(name=outputs.embedding, datatype=Datatype.FP32, shape=shape)
            self.outputs_on_request = (embedding, error)

    @property
    def config(self) -> ModelConfig:
        (image,), (logits,) = self.inputs, self.outputs
        config = ModelConfig(
            name=self.name,
            platform=PLATFORM,
            backend=BACKEND,
            max_batch_size=self.max_batch_size,
            version_policy=ModelVersionPolicy(specific=ModelVersionPolicy.Specific(versions=[self.version])),
            input=[
                ModelInput(
                    name=image.name,
                    data_type=DataType.TYPE_UINT8,
                    format=ModelInput.Format.FORMAT_NHWC,
                    dims=image.shape[1:],
                )
            ],
            output=[
                ModelOutput(
                    name=logits.name,
                    data_type=DataType.TYPE_FP32,
                    dims=logits.shape[1:],
                    label_filename=LABELS_FILE,
                )
            ],
            default_model_filename=self.live.manifest.variant(self.live.precision).file,
        )
        config.dynamic_batching.SetInParent()
        say_priorities(config)
        config.parameters["encoded_images"].string_value = image.name
        config.parameters["outputs_on_request"].string_value = ",".join(spec.name for spec in self.outputs_on_request)
        config.parameters["precisions"].string_value = ",".join(self.live.precisions)
        return config

    async def compute(
        self,
        tensors: Mapping[str, AnyTensor],
        wanted: Collection[str],
        *,
        deadline: float | None,
        priority: Priority = Priority.NORMAL,
    ) -> Computed:
        """Raises a ServiceError: for one bad image the sentence begins with its place."""
        given = tensors[self.live.manifest.input.tensor]
        if given.dtype != Datatype.BYTES.dtype:
            return await self._of_pixels(given, wanted, deadline, priority)
        images = await self.live.classifier.compute_many(given.ravel().tolist(), deadline=deadline, priority=priority)
        _raise_other_faults(images)
        if ERROR not in wanted:
            _raise_first_of(images)
        began = time.monotonic()
        outputs = {name: self._output(name, images) for name in wanted}
        images.times[Column.POSTPROCESS] = (time.monotonic() - began) / max(1, len(images))
        return Computed(outputs=outputs, work=work_of_columns(images.times))

    async def _of_pixels(
        self, tensors: AnyTensor, wanted: Collection[str], deadline: float | None, priority: Priority
    ) -> Computed:
        """Pixels of the right shape cannot be bad, so all of them travel as one request."""
        rows = await self.live.batcher.submit_many(tensors, deadline=deadline, priority=priority)
        outputs: dict[str, AnyTensor] = {}
        for name in wanted:
            if name == ERROR:
                outputs[name] = np.full(len(tensors), b"", dtype=object)
            elif name == self.live.manifest.outputs.logits:
                outputs[name] = rows.logits
            else:
                assert rows.embeddings is not None  # noqa: S101 - offered only where the manifest names the output
                outputs[name] = rows.embeddings
        work = Work(items=len(tensors), queue_seconds=rows.queue_seconds, inference_seconds=rows.inference_seconds)
        return Computed(outputs=outputs, work=work)

    def _output(self, name: str, images: ComputedImages) -> AnyTensor:
        if name == ERROR:
            errors = np.full(images.count, b"", dtype=object)
            for place, error in images.errors.items():
                errors[place] = f"{error.reason}: {error.sentence}".encode()
            return errors
        outputs = self.live.manifest.outputs
        size = len(self.live.manifest.labels) if name == outputs.logits else outputs.embedding_size
        table = np.full((images.count, size), np.nan, dtype=np.float32)
        rows = images.logits if name == outputs.logits else images.embeddings
        if len(images) and rows is not None:
            table[images.places] = rows
        return table


def _raise_other_faults(images: ComputedImages) -> None:
    """What is wrong with an image is its own; anything else concerns the request."""
    for _, error in sorted(images.errors.items()):
        if not isinstance(error, IMAGE_FAULTS):
            raise error


def _raise_first_of(images: ComputedImages) -> None:
    """The first bad image's error, which says where it was."""
    if images.errors:
        place = min(images.errors)
        error = images.errors[place]
        others = f" So are {len(images.errors) - 1} others." if len(images.errors) > 1 else ""
        hint = f" Ask for the output `{ERROR}` to get the answers for the others all the same."
        sentence = f"Image {place} of {images.count} (counted from 0) is bad: {error.sentence}{others}{hint}"
        raise type(error)(sentence, **error.metadata, place=str(place))

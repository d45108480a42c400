"""What lies beside the versions of a model, so that NVIDIA Triton's onnxruntime backend serves the same directory:
`config.pbtxt` (inference.ModelConfig in protobuf's text format) and `labels.txt`, one label a line.
"""

from collections.abc import Sequence

from export.errors import PublicationFailed
from service.models.manifest import Manifest, Precision
from service.models.triton_config import BACKEND, CONFIG_FILE, LABELS_FILE, PLATFORM

MAX_BATCH_SIZE = 64
MARK = "# Written by recognition-export; a file without this line is somebody's own and is left alone.\n"


def triton_files(manifest: Manifest) -> dict[str, bytes]:
    """Both files by name. Raises PublicationFailed for a label that is no line."""
    broken = [label for label in manifest.labels if not label.strip() or len(label.splitlines()) != 1]
    if broken:
        raise PublicationFailed(f"the label {broken[0]!r} is not one line of text, as {LABELS_FILE} needs it")
    return {
        CONFIG_FILE: (MARK + _config(manifest)).encode(),
        LABELS_FILE: "".join(f"{label}\n" for label in manifest.labels).encode(),
    }


def _config(manifest: Manifest) -> str:
    spec, outputs = manifest.input, manifest.outputs
    image = _tensor(spec.tensor, "TYPE_UINT8", (spec.height, spec.width, spec.channels), "format: FORMAT_NHWC")
    logits = _tensor(outputs.logits, "TYPE_FP32", (len(manifest.labels),), f'label_filename: "{LABELS_FILE}"')
    lines = [
        f'name: "{manifest.name}"',
        f'platform: "{PLATFORM}"',
        f'backend: "{BACKEND}"',
        f'default_model_filename: "{manifest.variants[Precision.FP32].file}"',
        f"max_batch_size: {MAX_BATCH_SIZE}",
        f"input {image}",
        f"output {logits}",
    ]
    if outputs.embedding is not None:
        lines.append(f"output {_tensor(outputs.embedding, 'TYPE_FP32', (outputs.embedding_size,))}")
    lines.append("dynamic_batching {}")
    return "\n".join(lines) + "\n"


def _tensor(name: str, kind: str, dims: Sequence[int], *more: str) -> str:
    """Without the batch dimension, which max_batch_size stands for."""
    fields = (f'name: "{name}"', f"data_type: {kind}", f"dims: [{', '.join(map(str, dims))}]", *more)
    return "{\n" + "".join(f"  {field}\n" for field in fields) + "}"

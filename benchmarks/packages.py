"""The packages that are measured: networks with random weights, since speed does not ask what was learned.

Their logits are spread by a few passes that fit the batch norms, so that answers differ from image to image and can be
checked. Pictures are drawn, and no data set is needed.
"""

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.pictures import PICTURES, draw_photographs
from export.destination import DirectoryDestination
from export.importing import import_model
from export.wish import Wish
from service.models.manifest import Precision
from training.models import Classifier, build

RESNET18, FASHION_CNN = "resnet18", "fashion_cnn"
LABELS = {FASHION_CNN: 10}
IMAGENET_LABELS = 1000
ANY_LOSS = 100.0
"""Points of accuracy that a variant may lose: what was never learned cannot be forgotten."""


def prepare_packages(root: Path) -> Path:
    """The repository below `root`, with both packages; what is there already is kept."""
    for name in (RESNET18, FASHION_CNN):
        models = prepare_package(root, name)
    return models


def prepare_package(root: Path, name: str, precision: Precision = Precision.FP32) -> Path:
    """The repository below `root`, with a model of the training package in a precision besides fp32."""
    models = root / "models" if precision is Precision.FP32 else root / f"models-{precision}"
    if not (models / name / "1").is_dir():
        with tempfile.TemporaryDirectory() as work:
            _publish(name, precision, models, Path(work))
    return models


def _publish(name: str, precision: Precision, models: Path, work: Path) -> None:
    torch.manual_seed(0)
    count = LABELS.get(name, IMAGENET_LABELS)
    network = build(name, {"classes": count})
    shape = network.input_shape
    network.train()
    with torch.no_grad():
        for _ in range(10):
            network(torch.randn(16, *shape))
    network.eval()
    images, labels = work / "images", work / f"{name}.json"
    as_weights = precision is Precision.FP16  # half precision is made from weights, not from a graph
    file = work / f"{name}.safetensors" if as_weights else work / f"{name}.onnx"
    if as_weights:
        save_file(network.state_dict(), file)
    else:
        _export(network, file)
    for place, picture in enumerate(draw_photographs(PICTURES)):
        folder = images / f"label {place % count}"  # as if it were known: else the precisions must agree almost always
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}.jpg").write_bytes(picture)
    labels.write_text(json.dumps([f"label {index}" for index in range(count)]), encoding="utf-8")
    wish = Wish(
        model=file,
        architecture=name if as_weights else None,
        labels=str(labels),
        preprocessing="imagenet" if shape[0] == 3 else "unit",
        images=images,
        name=name,
        licence="none",
        precisions=tuple({Precision.FP32: None, precision: None}),
        max_accuracy_loss=ANY_LOSS,
    )
    import_model(wish, DirectoryDestination(models))


def _export(network: Classifier, file: Path) -> None:
    torch.onnx.export(
        network,
        (torch.randn(2, *network.input_shape),),
        file,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )

"""Heat maps of a live model, exact and by occlusion."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.engine.explain import Method
from service.errors import ArgumentInvalid, DeadlineUnreachable, ImageUnreadable
from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe, encode, explanation_graph, picture


async def test_occlusion_finds_the_part_that_matters(service: InProcess) -> None:
    """Hiding the bright third makes its label less probable, hiding another one does not."""
    explanation = await service.live().explainer.explain(encode(picture(1)))
    assert (explanation.method, explanation.prediction.label) == (Method.OCCLUSION, "middle")
    assert explanation.values.shape == (8, 12)
    inside, outside = explanation.values[:, 5:7], explanation.values[:, [0, 1, 10, 11]]
    assert inside.min() > 0.0
    assert inside.min() > np.abs(outside).max()


async def test_another_label_can_be_explained(service: InProcess) -> None:
    """What speaks against it comes out negative."""
    explanation = await service.live().explainer.explain(encode(picture(1)), label="left")
    assert explanation.prediction.label == "left"
    assert explanation.prediction.probability < 0.5
    assert explanation.values[:, 5:7].max() < 0.0


async def test_the_exact_map_is_used_where_the_package_brings_it(tmp_path: Path) -> None:
    """It is the graph's own map of the label, and nothing is computed in batches for it."""
    root = tmp_path / "explained"
    PackageRecipe(explanation=explanation_graph()).write(root)
    async with serving(root) as service:
        explanation = await service.live().explainer.explain(encode(picture(2)))
        batches = service.sum("recognition_batch_size_count")
    assert (explanation.method, explanation.prediction.label) == (Method.CLASS_ACTIVATION, "right")
    assert explanation.values[:, 8:].sum() == pytest.approx(240 / 255 * 10, abs=1e-3)
    assert (explanation.values[:, :8] == 0).all()
    assert batches == 1


async def test_the_overlay_is_the_image_as_the_model_saw_it(service: InProcess) -> None:
    """A PNG in the proportions of the model's input, whatever the picture was."""
    large = np.asarray(Image.fromarray(picture(0)).resize((300, 50)))
    explanation = await service.live().explainer.explain(encode(large))
    with Image.open(io.BytesIO(explanation.overlay_png)) as overlay:
        assert overlay.width * 8 == overlay.height * 12


async def test_what_cannot_be_explained_is_refused(service: InProcess) -> None:
    """A bad image, a label that the model does not know, a deadline that has passed."""
    explainer = service.live().explainer
    with pytest.raises(ImageUnreadable):
        await explainer.explain(b"bad")
    with pytest.raises(ArgumentInvalid, match="cat"):
        await explainer.explain(encode(picture(0)), label="cat")
    with pytest.raises(DeadlineUnreachable):
        await explainer.explain(encode(picture(0)), deadline=time.monotonic() - 1.0)


async def test_a_full_grid_of_images_leaves_room_for_others(models: Path) -> None:
    """A map of 96 occluded images is made through a queue that holds 64."""
    async with serving(models, max_queue_images=64) as service:
        explanation = await service.live().explainer.explain(encode(picture(0)))
    assert explanation.values.size == 96

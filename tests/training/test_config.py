"""A recipe that cannot work is refused when it is made."""

from dataclasses import replace

import pytest

from training.config import Optimization, Preprocessing, Recipe
from training.errors import RecipeInvalid


def test_a_recipe_needs_at_least_one_epoch_and_one_image(recipe: Recipe) -> None:
    """The error names the field."""
    with pytest.raises(RecipeInvalid, match="epochs must be at least 1, not 0"):
        replace(recipe, epochs=0)
    with pytest.raises(RecipeInvalid, match="batch_size must be at least 1"):
        replace(recipe, batch_size=0)


def test_a_short_last_batch_is_a_step_too(recipe: Recipe) -> None:
    """Nothing is dropped."""
    assert [replace(recipe, batch_size=20).steps_per_epoch(images) for images in (60, 62)] == [3, 4]


@pytest.mark.parametrize("batch_size", [1, 2, 20])
@pytest.mark.parametrize("images", [1, 2, 3, 20, 21, 22, 40, 41])
def test_the_batches_make_up_the_epoch_and_none_is_a_lone_picture(recipe: Recipe, images: int, batch_size: int) -> None:
    """But for batches of one, and a single picture in all."""
    chosen, sizes, position = replace(recipe, batch_size=batch_size), [], 0
    while position < images:
        end = chosen.batch_end(position, images)
        sizes.append(end - position)
        position = end
    assert sum(sizes) == images
    assert len(sizes) == chosen.steps_per_epoch(images)
    assert max(sizes) <= batch_size + 1
    assert sizes[-1] > 1 or images == 1


def test_mean_and_std_go_with_the_channels() -> None:
    """One value for grey, three for colour, none of them a division by zero."""
    with pytest.raises(RecipeInvalid, match="need 3 values"):
        Preprocessing(pixel_format="rgb8", height=8, width=8, mean=(0.5,), std=(0.5,))
    with pytest.raises(RecipeInvalid, match="std above 0"):
        Preprocessing(pixel_format="gray8", height=8, width=8, mean=(0.5,), std=(0.0,))


def test_the_schedule_must_leave_room_to_fall() -> None:
    """A warm-up of the whole run would end at the highest learning rate."""
    with pytest.raises(RecipeInvalid, match="warmup_share"):
        Optimization(learning_rate=0.1, warmup_share=1.0)
    with pytest.raises(RecipeInvalid, match="learning_rate must be above 0"):
        Optimization(learning_rate=0.0)

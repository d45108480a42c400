"""Mixed pictures hold what their labels say."""

import pytest
import torch

from training.config import Augmentation
from training.mixing import Mixed, mix


def batch() -> torch.Tensor:
    """Picture i is i everywhere."""
    return torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, 20, 20)


def mixed(augmentation: Augmentation, seed: int) -> Mixed:
    result = mix(batch(), augmentation, torch.Generator().manual_seed(seed))
    assert result is not None
    return result


def test_nothing_is_mixed_by_default() -> None:
    """No random number is drawn either."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert mix(batch(), Augmentation(), generator) is None
    assert torch.equal(before, generator.get_state())


@pytest.mark.parametrize("seed", range(5))
def test_mixup_blends_in_the_share_of_the_label(seed: int) -> None:
    """Own × share + partner × (1 - share), in every pixel."""
    result = mixed(Augmentation(mixup=0.8), seed)
    own, other = torch.arange(6.0), result.partners.float()
    expected = result.share * own + (1 - result.share) * other
    assert torch.allclose(result.images, expected.view(6, 1, 1, 1).expand(6, 1, 20, 20))


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_gives_the_label_the_area_that_was_kept(seed: int) -> None:
    """Counted in pixels, also where the rectangle is cut off at the edge."""
    result = mixed(Augmentation(cutmix=1.0), seed)
    for own in range(6):
        if result.partners[own] != own:
            assert float((result.images[own] == own).float().mean()) == pytest.approx(float(result.share))


def test_the_generator_alone_decides_and_the_global_one_is_left_alone() -> None:
    """With both kinds, both come up."""
    before = torch.get_rng_state()
    both = Augmentation(mixup=1.0, cutmix=1.0)
    first, again = mixed(both, 3), mixed(both, 3)
    assert torch.equal(first.images, again.images)
    kinds = {bool((mixed(both, seed).images % 1 == 0).all()) for seed in range(20)}
    assert kinds == {True, False}
    assert torch.equal(before, torch.get_rng_state())

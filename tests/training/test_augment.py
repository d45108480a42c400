"""Augmentation moves and mirrors pictures, and does nothing else to them."""

import torch

from training.augment import augment
from training.config import Augmentation


def picture() -> torch.Tensor:
    """Six pixels by four, all different, none of them zero."""
    return torch.arange(1, 25, dtype=torch.uint8).view(1, 1, 6, 4)


def draws(augmentation: Augmentation, count: int = 400) -> list[torch.Tensor]:
    """Many copies of the picture, each augmented by itself."""
    batch = picture().expand(count, 1, 6, 4)
    return list(augment(batch, augmentation, torch.Generator().manual_seed(0)))


def test_without_augmentation_the_pictures_come_back_unchanged() -> None:
    """The default of every field is off."""
    assert torch.equal(augment(picture(), Augmentation(), torch.Generator()), picture())


def test_about_half_of_the_pictures_are_mirrored() -> None:
    """Left and right change places; nothing else happens."""
    mirrored = picture()[0].flip(2)
    outcomes = [torch.equal(drawn, mirrored) for drawn in draws(Augmentation(flip=True))]
    plain = [torch.equal(drawn, picture()[0]) for drawn in draws(Augmentation(flip=True))]
    assert all(a != b for a, b in zip(outcomes, plain, strict=True))
    assert 150 < sum(outcomes) < 250


def test_shifts_reach_every_offset_and_fill_with_zeros() -> None:
    """Up to one pixel along each axis: nine places, all of them drawn."""
    padded = torch.nn.functional.pad(picture(), (1, 1, 1, 1))[0]
    places = {
        tuple(padded[:, top : top + 6, left : left + 4].flatten().tolist()) for top in range(3) for left in range(3)
    }
    assert {tuple(drawn.flatten().tolist()) for drawn in draws(Augmentation(shift=1))} == places


def test_the_generator_alone_decides() -> None:
    """The same seed draws the same flips and shifts; the input is not changed."""
    batch = picture().repeat(50, 1, 1, 1)
    before = batch.clone()
    settings = Augmentation(flip=True, shift=2)
    first, again = (augment(batch, settings, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(batch, before)


def test_cutout_blackens_one_square_and_no_more() -> None:
    """Its centre may fall on the edge, so parts of it may lie outside."""
    batch = torch.full((200, 3, 20, 20), 9, dtype=torch.uint8)
    cut = augment(batch, Augmentation(cutout=6), torch.Generator().manual_seed(0)) == 0
    areas = cut[:, 0].sum(dim=(1, 2))
    assert torch.equal(cut[:, 0], cut[:, 2])
    assert int(areas.max()) == 36
    assert int(areas.min()) >= 9


def test_random_erasing_fills_its_share_of_the_pictures_with_noise() -> None:
    """Two to a third of the picture, in about half of the pictures."""
    batch = torch.zeros(400, 1, 20, 20, dtype=torch.uint8)
    erased = augment(batch, Augmentation(random_erasing=0.5), torch.Generator().manual_seed(0))
    share = (erased != 0).float().mean(dim=(1, 2, 3))
    assert 0.4 < float((share > 0).float().mean()) < 0.6
    assert float(share.max()) < 0.42
    assert float(share[share > 0].min()) > 0.01

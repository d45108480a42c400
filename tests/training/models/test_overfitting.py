"""The small form of every variant learns 256 pictures by heart, without dropout, which is there to prevent it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from training.config import Augmentation, DataConfig, ModelConfig, Optimization, Optimizer, Recipe
from training.data import Dataset, Images, split
from training.data.geometry import adapt
from training.device import choose_device
from training.evaluate import predict
from training.loop import Trainer
from training.models import MODELS, build
from training.recipes.inputs import FASHION_MNIST_INPUT

THIN = {"channels": 1, "classes": 10}
FORMS: dict[str, dict[str, int]] = {
    "fashion_cnn": {},
    "lenet5_1998": {},
    "lenet5": {},
    "alexnet_2012": {**THIN, "size": 28, "divisor": 8},
    "alexnet": {**THIN, "size": 32},
    "nin": {**THIN, "size": 28, "divisor": 4},
    **{f"vgg{depth}{norm}": {**THIN, "size": 32, "divisor": 4} for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    "googlenet": {**THIN, "size": 28, "divisor": 4, "stem_stride": 2},
    "inception_v3": {**THIN, "size": 28, "divisor": 4, "stem_stride": 2},
    **{f"resnet{depth}": {**THIN, "size": 16} for depth in (18, 34, 50, 101, 152)},
    **{f"wide_resnet{depth}_2": {**THIN, "size": 16} for depth in (50, 101)},
    "resnet20": {},
    "wrn_16_8": {**THIN, "divisor": 4},
    "wrn_28_10": {**THIN, "divisor": 5},
    "densenet_bc_40_12": {**THIN, "stem_stride": 2},
    "densenet_bc_100_12": {**THIN, "stem_stride": 2},
    **{f"densenet{depth}": {**THIN, "size": 16} for depth in (121, 161, 169, 201)},
}
FAST = ("lenet5",)
EPOCHS = 100
LEARNING_RATES = {"alexnet": 3e-4, "vgg": 1e-3, "wide_resnet": 1e-3}
"""By the beginning of the name; all others learn at 0.002."""


def test_every_variant_has_a_form_here() -> None:
    assert set(FORMS) == set(MODELS)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in FORMS])
def test_256_pictures_are_learnt_by_heart(name: str, sample: Dataset) -> None:
    torch.manual_seed(0)
    model = build(name, FORMS[name]).to(choose_device("auto"))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    side = model.input_shape[1]
    recipe = by_heart(name, side)
    few: Images = split(adapt(sample, recipe.preprocessing), seed=0, limit=256).train
    trainer = Trainer(model, few, recipe, seed=0)
    known = 0.0
    while known < 1.0 and trainer.epoch < EPOCHS:
        trainer.run_epoch()
        metrics = predict(model, few, recipe.preprocessing).metrics(names=tuple("0123456789"), split="train")
        known = metrics.accuracy
    assert known == 1.0


def by_heart(name: str, side: int) -> Recipe:
    rate = next((rate for start, rate in LEARNING_RATES.items() if name.startswith(start)), 0.002)
    return Recipe(
        name="by_heart",
        model=ModelConfig(name=name, arguments=FORMS[name]),
        data=DataConfig(name="fashion-mnist-sample"),
        preprocessing=replace(FASHION_MNIST_INPUT, height=side, width=side),
        augmentation=Augmentation(),
        optimization=Optimization(optimizer=Optimizer.ADAMW, learning_rate=rate),
        epochs=EPOCHS,
        batch_size=32,
    )

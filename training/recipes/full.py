"""A recipe of each family for one GPU: minutes rather than the hours of the papers.

Those whose seconds an epoch were measured on an H200 that had nothing else to do take a minute at most, reckoned from
these: fashion_cnn, the LeNets, AlexNet of 2012, NiN and ResNet-20; ResNet-18 too, reckoned from the time of a step. The
others were not timed alone. A batch is a divisor of the 55,000 training pictures, so that no step is a small one. The
published schedules are longer (200 to 300 epochs of batches of 128): `fit NAME --epochs 200` stretches the same curve,
as a small number shortens it. `training/RESULTS.md` has these times, and figures of 3 to 50 epochs.
"""

from dataclasses import replace

from training.config import Augmentation, DataConfig, ModelConfig, Optimization, Optimizer, Recipe
from training.recipes.inputs import FASHION_MNIST_32, FASHION_MNIST_INPUT

FASHION_MNIST = DataConfig(name="fashion-mnist")
FASHION_MNIST_64 = replace(FASHION_MNIST_INPUT, height=64, width=64)
FLIP = Augmentation(flip=True, shift=1)
ERASE = Augmentation(flip=True, shift=2, random_erasing=0.5)
AVERAGED = 0.99
"""Decay of the average of the weights: it reaches back over the last epoch or less."""
CUTMIX = Augmentation(flip=True, shift=2, random_erasing=0.25, cutmix=0.5)


def fashion_cnn_full() -> Recipe:
    """The course's CNN, as long as it gains."""
    return Recipe(
        name="fashion_cnn_full",
        model=ModelConfig(name="fashion_cnn", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=Optimization(optimizer=Optimizer.ADAMW, learning_rate=0.01, weight_decay=0.02, ema_decay=AVERAGED),
        epochs=50,
        batch_size=250,
    )


def lenet5_1998_full() -> Recipe:
    """LeNet-5 as published: tanh, sparse C3, trainable subsampling."""
    return Recipe(
        name="lenet5_1998_full",
        model=ModelConfig(name="lenet5_1998", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_32,
        augmentation=FLIP,
        optimization=Optimization(
            learning_rate=0.04,
            weight_decay=1e-4,
            ema_decay=AVERAGED,
            clip_norm=1.0,  # without, it diverges in a short warm-up
        ),
        epochs=50,
        batch_size=250,
    )


def lenet5_full() -> Recipe:
    """The dense LeNet-5 of courses."""
    return Recipe(
        name="lenet5_full",
        model=ModelConfig(name="lenet5", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=Optimization(learning_rate=0.1, weight_decay=5e-4, ema_decay=AVERAGED),
        epochs=50,
        batch_size=250,
    )


def alexnet_2012_full() -> Recipe:
    """AlexNet of the paper on small pictures."""
    return Recipe(
        name="alexnet_2012_full",
        model=ModelConfig(name="alexnet_2012", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.02),
        epochs=60,
        batch_size=250,
    )


def alexnet_full() -> Recipe:
    """AlexNet with one tower, on 64 pixels."""
    return Recipe(
        name="alexnet_full",
        model=ModelConfig(name="alexnet", arguments={"channels": 1, "classes": 10, "size": 64}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_64,
        augmentation=FLIP,
        optimization=_one_cycle(0.02),
        epochs=60,
        batch_size=250,
    )


def nin_full() -> Recipe:
    """Network in network at its full widths, with batch normalisation and less dropout."""
    return Recipe(
        name="nin_full",
        model=ModelConfig(name="nin", arguments={"channels": 1, "classes": 10, "size": 28, "dropout": 20, "norm": 1}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.2),
        epochs=60,
        batch_size=500,
    )


def vgg16_bn_full() -> Recipe:
    """VGG-16 with batch normalisation on 32 pixels."""
    return Recipe(
        name="vgg16_bn_full",
        model=ModelConfig(name="vgg16_bn", arguments={"channels": 1, "classes": 10, "size": 32}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_32,
        augmentation=FLIP,
        optimization=_one_cycle(0.05),
        epochs=60,
        batch_size=250,
    )


def googlenet_full() -> Recipe:
    """GoogLeNet with both auxiliary heads, on 14 × 14 pixels behind the first convolutions."""
    return Recipe(
        name="googlenet_full",
        model=ModelConfig(name="googlenet", arguments={"channels": 1, "classes": 10, "size": 28, "stem_stride": 2}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.1),
        epochs=40,
        batch_size=250,
    )


def inception_v3_full() -> Recipe:
    """Inception-v3 at half its widths with its auxiliary head, on 14 × 14 pixels behind the first convolutions."""
    return Recipe(
        name="inception_v3_full",
        model=ModelConfig(
            name="inception_v3", arguments={"channels": 1, "classes": 10, "size": 28, "stem_stride": 2, "divisor": 2}
        ),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.1),
        epochs=40,
        batch_size=250,
    )


def resnet20_full() -> Recipe:
    """ResNet-20, the CIFAR form."""
    return Recipe(
        name="resnet20_full",
        model=ModelConfig(name="resnet20", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.3),
        epochs=100,
        batch_size=500,
    )


def resnet18_full() -> Recipe:
    """ResNet-18 on small pictures."""
    return Recipe(
        name="resnet18_full",
        model=ModelConfig(name="resnet18", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.1),
        epochs=60,
        batch_size=250,
    )


def resnet50_full() -> Recipe:
    """ResNet-50 on small pictures."""
    return Recipe(
        name="resnet50_full",
        model=ModelConfig(name="resnet50", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_one_cycle(0.2),
        epochs=40,
        batch_size=500,
    )


def wrn_16_8_full() -> Recipe:
    """WRN-16-8."""
    return Recipe(
        name="wrn_16_8_full",
        model=ModelConfig(name="wrn_16_8", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.1),
        epochs=40,
        batch_size=250,
    )


def wrn_28_10_full() -> Recipe:
    """WRN-28-10 with random erasing and cutmix."""
    return Recipe(
        name="wrn_28_10_full",
        model=ModelConfig(name="wrn_28_10", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=CUTMIX,
        optimization=_one_cycle(0.2),
        epochs=30,
        batch_size=500,
    )


def densenet_bc_100_12_full() -> Recipe:
    """DenseNet-BC-100-12, on 14 × 14 pixels behind the first convolution."""
    return Recipe(
        name="densenet_bc_100_12_full",
        model=ModelConfig(name="densenet_bc_100_12", arguments={"channels": 1, "classes": 10, "stem_stride": 2}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_one_cycle(0.1),
        epochs=40,
        batch_size=250,
    )


def _one_cycle(learning_rate: float) -> Optimization:
    """SGD with Nesterov momentum, up for a fifth of the steps and down along half a cosine."""
    return Optimization(learning_rate=learning_rate, weight_decay=5e-4, label_smoothing=0.05, ema_decay=AVERAGED)

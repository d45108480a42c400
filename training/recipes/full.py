"""A recipe of each family for one GPU: full widths, hundreds of epochs, the published optimiser settings."""

from dataclasses import replace

from training.config import Augmentation, DataConfig, ModelConfig, Optimization, Recipe, Schedule
from training.recipes.inputs import FASHION_MNIST_32, FASHION_MNIST_INPUT

FASHION_MNIST = DataConfig(name="fashion-mnist")
FASHION_MNIST_64 = replace(FASHION_MNIST_INPUT, height=64, width=64)
FLIP = Augmentation(flip=True, shift=2)
ERASE = Augmentation(flip=True, shift=2, random_erasing=0.5)
CUTMIX = Augmentation(flip=True, shift=2, random_erasing=0.25, cutmix=0.5)


def fashion_cnn_full() -> Recipe:
    """The course's CNN, long."""
    return Recipe(
        name="fashion_cnn_full",
        model=ModelConfig(name="fashion_cnn", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=512,
    )


def lenet5_1998_full() -> Recipe:
    """LeNet-5 as published, long."""
    return Recipe(
        name="lenet5_1998_full",
        model=ModelConfig(name="lenet5_1998", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_32,
        augmentation=FLIP,
        optimization=_cosine(0.02),
        epochs=300,
        batch_size=128,
    )


def lenet5_full() -> Recipe:
    """The dense LeNet-5, long."""
    return Recipe(
        name="lenet5_full",
        model=ModelConfig(name="lenet5", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_cosine(0.05),
        epochs=300,
        batch_size=256,
    )


def alexnet_2012_full() -> Recipe:
    """AlexNet of the paper on small pictures."""
    return Recipe(
        name="alexnet_2012_full",
        model=ModelConfig(name="alexnet_2012", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_cosine(0.01),
        epochs=100,
        batch_size=128,
    )


def alexnet_full() -> Recipe:
    """AlexNet with one tower, on 64 pixels."""
    return Recipe(
        name="alexnet_full",
        model=ModelConfig(name="alexnet", arguments={"channels": 1, "classes": 10, "size": 64}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_64,
        augmentation=FLIP,
        optimization=_cosine(0.01),
        epochs=100,
        batch_size=128,
    )


def nin_full() -> Recipe:
    """Network in network at its full widths."""
    return Recipe(
        name="nin_full",
        model=ModelConfig(name="nin", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=FLIP,
        optimization=_cosine(0.01),
        epochs=150,
        batch_size=128,
    )


def vgg16_bn_full() -> Recipe:
    """VGG-16 with batch normalisation on 32 pixels."""
    return Recipe(
        name="vgg16_bn_full",
        model=ModelConfig(name="vgg16_bn", arguments={"channels": 1, "classes": 10, "size": 32}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_32,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def googlenet_full() -> Recipe:
    """GoogLeNet with both auxiliary heads."""
    return Recipe(
        name="googlenet_full",
        model=ModelConfig(name="googlenet", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def inception_v3_full() -> Recipe:
    """Inception-v3 with its auxiliary head."""
    return Recipe(
        name="inception_v3_full",
        model=ModelConfig(name="inception_v3", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def resnet20_full() -> Recipe:
    """ResNet-20 with random erasing."""
    return Recipe(
        name="resnet20_full",
        model=ModelConfig(name="resnet20", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=300,
        batch_size=128,
    )


def resnet18_full() -> Recipe:
    """ResNet-18 on small pictures."""
    return Recipe(
        name="resnet18_full",
        model=ModelConfig(name="resnet18", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def resnet50_full() -> Recipe:
    """ResNet-50 on small pictures."""
    return Recipe(
        name="resnet50_full",
        model=ModelConfig(name="resnet50", arguments={"channels": 1, "classes": 10, "size": 28}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def wrn_28_10_full() -> Recipe:
    """WRN-28-10 with random erasing and cutmix."""
    return Recipe(
        name="wrn_28_10_full",
        model=ModelConfig(name="wrn_28_10", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=CUTMIX,
        optimization=_cosine(0.1),
        epochs=200,
        batch_size=128,
    )


def densenet_bc_100_12_full() -> Recipe:
    """DenseNet-BC-100-12."""
    return Recipe(
        name="densenet_bc_100_12_full",
        model=ModelConfig(name="densenet_bc_100_12", arguments={"channels": 1, "classes": 10}),
        data=FASHION_MNIST,
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=ERASE,
        optimization=_cosine(0.1),
        epochs=300,
        batch_size=64,
    )


def _cosine(learning_rate: float) -> Optimization:
    """SGD with Nesterov momentum, a short warm-up and half a cosine, averaged over the last steps."""
    return Optimization(
        learning_rate=learning_rate,
        schedule=Schedule.COSINE,
        warmup_share=0.02,
        weight_decay=5e-4,
        label_smoothing=0.05,
        ema_decay=0.999,
    )

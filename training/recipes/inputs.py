"""The forms in which recipes feed Fashion-MNIST to a model."""

from dataclasses import replace

from training.config import Preprocessing

FASHION_MNIST_INPUT = Preprocessing(
    pixel_format="gray8",
    height=28,
    width=28,
    polarity="bright_on_dark",
    mean=(0.2860,),
    std=(0.3530,),
)
"""Mean and standard deviation of the training pixels. The clothes are bright on black: photographs on white are
inverted first, which changes none of the 70,000 pictures of the data set."""
FASHION_MNIST_32 = replace(FASHION_MNIST_INPUT, height=32, width=32)
"""For networks that halve the picture five times."""

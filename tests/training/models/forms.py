"""A small form of every family, cheap enough to run."""

SMALL_FORMS: tuple[tuple[str, dict[str, int]], ...] = (
    ("fashion_cnn", {}),
    ("lenet5_1998", {}),
    ("lenet5", {}),
    ("alexnet_2012", {"channels": 1, "classes": 10, "size": 28, "divisor": 8}),
    ("alexnet", {"channels": 3, "classes": 10, "size": 32}),
    ("nin", {"channels": 1, "classes": 10, "size": 28, "divisor": 8}),
    ("vgg11", {"channels": 1, "classes": 10, "size": 32, "divisor": 8}),
    ("vgg16_bn", {"channels": 3, "classes": 10, "size": 32, "divisor": 8}),
    ("googlenet", {"channels": 1, "classes": 10, "size": 28, "divisor": 8}),
    ("inception_v3", {"channels": 1, "classes": 10, "size": 28, "divisor": 8, "stem_stride": 2}),
    ("resnet18", {"channels": 1, "classes": 10, "size": 28}),
    ("resnet20", {}),
    ("wrn_16_8", {}),
    ("densenet_bc_40_12", {"stem_stride": 2}),
    ("densenet_bc_100_12", {}),
    ("densenet121", {"channels": 3, "classes": 10, "size": 32}),
)

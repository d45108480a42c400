"""Who goes first where several wait for one model: the lower number, and within it the earliest deadline."""

from enum import IntEnum


class Priority(IntEnum):
    """High goes before normal, and normal before low, whatever their deadlines are."""

    HIGH = 1
    NORMAL = 2
    LOW = 3

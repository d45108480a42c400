"""Who goes first where several wait for one model: the lower number, and within it the earliest deadline."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias


class Priority(IntEnum):
    """High goes before normal, and normal before low, whatever their deadlines are."""

    HIGH = 1
    NORMAL = 2
    LOW = 3


PerPriority: TypeAlias = Mapping[Priority, int]
"""How many images."""
NOBODY: PerPriority = MappingProxyType({})

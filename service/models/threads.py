"""How many threads one batch of a model has on the CPU: a large network has several, a tiny one computes on one."""

from service.models.manifest import Manifest

TINY_MACS = 10_000_000
"""Multiplications of one image. To hand parts of so little work to other threads, and to wait for the last of them,
costs up to as much again; batches side by side have a thread each and need no parts.
"""


def threads_for(manifest: Manifest, *, threads: int, tiny_threads: int | None) -> int:
    """Those of a tiny network where they are told apart; a model from elsewhere, whose size nobody counted, is none."""
    return tiny_threads if tiny_threads and 0 < manifest.macs <= TINY_MACS else threads

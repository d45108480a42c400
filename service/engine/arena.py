"""One arena for the working memory of all sessions on the CPU, so that many models share what only one batch needs.

Else each session keeps an arena of its own, as large as its largest batch ever was. Weights lie outside of it: they go
back to the operating system with their session, which an arena would not give away.
"""

import functools

import onnxruntime

AS_REQUESTED = 1
"""The arena grows by what is asked for and not twofold (ONNX Runtime's kSameAsRequested)."""


def use_shared_arena(options: onnxruntime.SessionOptions) -> None:
    """For a session on the CPU that is about to be made."""
    _register()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")


@functools.cache
def _register() -> None:
    """Once for the process: ONNX Runtime takes one allocator for each device."""
    kind, memory = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    arena = {
        "max_mem": 0,
        "arena_extend_strategy": AS_REQUESTED,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo("Cpu", kind, 0, memory), onnxruntime.OrtArenaCfg(arena)
    )

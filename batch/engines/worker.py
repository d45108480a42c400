"""A worker process of the local engine: chunks come through a pipe, results go back through it.

It ends with the pipe, so nothing stays behind when the job is killed. Its thread `prepare` reads and decodes one chunk
ahead while the main thread computes.
"""

import gc
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import Queue
from threading import Thread

from batch.engines.computation import Computation, Ready
from batch.engines.loaded_model import LoadedModel, ModelChoice
from batch.errors import BatchError
from batch.item import Chunk
from batch.plan import Question
from batch.sources.location import storage_error

READ_AHEAD = 1
"""Chunks that are decoded and wait for the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker is given at birth."""

    choice: ModelChoice
    question: Question
    threads: int
    """Of the session, where it computes on the CPU."""
    decode_threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What stopped a worker; the text is for people, the trace for whoever looks for the cause."""

    error: Exception
    trace: str


def serve(connection: Connection, settings: WorkerSettings) -> None:
    """The life of the process: says which model it has, then answers chunk by chunk until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the job's business, which closes the pipe
    try:
        model = LoadedModel(
            settings.choice,
            threads=settings.threads,
            batch_size=settings.question.batch_size,
            max_image_bytes=settings.question.max_image_bytes,
        )
        computation = Computation(model, settings.question, decode_threads=settings.decode_threads)
        gc.collect()
        gc.freeze()  # what is there now stays to the end, and need not be looked through again and again
        connection.send(model.facts)
        for ready in _prepared(connection, computation):
            connection.send(computation.compute(ready))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, the job must hear of it
        _tell(connection, error)


def _prepared(connection: Connection, computation: Computation) -> Iterator[Ready]:
    """What the other thread has ready, until the pipe ends. Raises what it raises."""
    ready: Queue[Ready | Exception | None] = Queue(READ_AHEAD)

    def prepare() -> None:
        while (chunk := _next_chunk(connection)) is not None:
            try:
                ready.put(computation.prepare(chunk))
            except Exception as error:  # noqa: BLE001 - raised again by the other thread
                ready.put(error)
                return
        ready.put(None)

    Thread(target=prepare, daemon=True, name="prepare").start()
    while (item := ready.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item


def _next_chunk(connection: Connection) -> Chunk | None:
    try:
        chunk: Chunk = connection.recv()
    except (EOFError, ConnectionResetError):
        return None
    return chunk


def _tell(connection: Connection, error: Exception) -> None:
    try:
        connection.send(Failure(error=_portable(error), trace=traceback.format_exc()))
    except (BrokenPipeError, ConnectionResetError):
        return


def _portable(error: Exception) -> Exception:
    """Our own errors and those of the system as they are; of others the text, since they may not survive the pipe."""
    error = storage_error(error) or error
    if isinstance(error, BatchError):
        return type(error)(str(error))
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or str(error), error.filename)
    return RuntimeError(f"{type(error).__name__}: {error}")

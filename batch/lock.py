"""Keeps a second job away from an output.

In a folder it is the operating system's lock on the file `.lock`, which ends with the process however that ends. In
object storage, which has no locks, it is an object with a lease: created only where there is none, renewed while the
job runs, and taken over when it has not been renewed for a minute. Should two jobs ever hold it at once (a storage that
ignores the condition, a machine that slept), both write the same bytes under the same names.
"""

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, TextIO

from batch.errors import OutputBusy, OutputFailed
from batch.share import Share
from batch.store import FolderStore, ObjectStore, Store

LOCK_FILE = ".lock"
LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0


@contextmanager
def held(store: Store, share: Share) -> Iterator[None]:
    """Raises OutputBusy at once where another job has it. Jobs with different shares do not shut one another out."""
    if isinstance(store, FolderStore):
        with _locked_file(store, LOCK_FILE, shared=not share.is_whole):
            if share.is_whole:
                yield
            else:
                with _locked_file(store, f"{LOCK_FILE}-{share.index}-of-{share.of}", shared=False):
                    yield
    else:
        lease = Lease(store, LOCK_FILE if share.is_whole else f"{LOCK_FILE}-{share.index}-of-{share.of}")
        _refuse_others(store, share)
        lease.take()
        try:
            yield
        finally:
            lease.release()


@contextmanager
def _locked_file(store: FolderStore, name: str, *, shared: bool) -> Iterator[None]:
    path = store.folder / name
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputBusy(_busy(store.url, _read_owner(file))) from error
        if not shared:
            file.truncate(0)
            file.write(_owner())
            file.flush()
        yield


def _read_owner(file: TextIO) -> str:
    file.seek(0)
    return file.read()


class Lease:
    """A lock object; `clock` is that of the machine, which is compared with that of the machine that wrote it."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._path = f"{store.prefix}/{name}"
        self._token = secrets.token_hex(8)
        self._ended = Event()
        self._thread = Thread(target=self._renew, daemon=True, name="lease")

    def take(self) -> None:
        """Raises OutputBusy."""
        if not self._create():
            holder = read_lease(self._store, self._path)
            if holder is not None and time.time() - holder["renewed"] < LEASE_SECONDS:
                raise OutputBusy(_busy(self._store.url, holder["owner"]))
            with suppress(FileNotFoundError):
                self._store.fs.rm_file(self._path)
            if not self._create():
                raise OutputBusy(_busy(self._store.url, "a job that came at the same moment"))
        self._thread.start()

    def release(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        holder = read_lease(self._store, self._path)
        if holder is not None and holder["token"] == self._token:
            self._store.fs.rm_file(self._path)

    def _content(self) -> bytes:
        return json.dumps({"owner": _owner(), "token": self._token, "renewed": time.time()}).encode()

    def _create(self) -> bool:
        try:
            self._store.fs.pipe_file(self._path, self._content(), mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in str(error) or "412" in str(error):
                return False
            raise OutputFailed(f"{self._store.url} cannot be written: {error}") from error
        return True

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(OSError):  # the next time will do; the lease outlasts three of them
                self._store.fs.pipe_file(self._path, self._content())


def read_lease(store: ObjectStore, path: str) -> dict[str, Any] | None:
    """Who holds it; None where nobody does, or where it cannot be read as one."""
    store.fs.invalidate_cache()
    try:
        content: dict[str, Any] = json.loads(store.fs.cat_file(path))
    except (FileNotFoundError, ValueError):
        return None
    return content if {"owner", "token", "renewed"} <= content.keys() else None


def _refuse_others(store: ObjectStore, share: Share) -> None:
    """A whole job waits for nobody's share to end, and a share for no whole job: both are refused."""
    for name in store.names():
        of_other_kind = name.startswith(f"{LOCK_FILE}-") if share.is_whole else name == LOCK_FILE
        if of_other_kind:
            holder = read_lease(store, f"{store.prefix}/{name}")
            if holder is not None and time.time() - holder["renewed"] < LEASE_SECONDS:
                raise OutputBusy(_busy(store.url, holder["owner"]))


def _owner() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _busy(url: str, owner: str) -> str:
    return f"{url} is being written by {owner or 'another job'}; wait until it is done, or choose another output."

"""A job from beginning to end: lock → list → plan → shards → summary.

The engine computes, the assembly keeps order, the store writes; this file only brings them together.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from shutil import copyfile
from threading import Event

from rich.console import Console

from batch.assembly import Assembly, OpenShard
from batch.engines import Engine
from batch.errors import PlanChanged
from batch.formats import CODECS, is_part, part_name
from batch.kinds import Format
from batch.listing import Listing, ListingFacts, difference, write_listing
from batch.lock import held
from batch.page import page_of, thumbnails_of
from batch.plan import PLAN_FILE, Model, Plan, Question
from batch.progress import JobProgress
from batch.scratch import scratch_folder
from batch.share import Share
from batch.sources import images_of
from batch.sources.manifest import ManifestColumns
from batch.store import Store
from batch.summary import Summary, summarise
from batch.table import table_of
from batch.writer import Writer
from service.machine import give_back_memory

LISTING_FILE = "_listing.parquet"
SUMMARY_FILE = "_summary.json"
PAGE_FILE = "_summary.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """What to do with which images."""

    source: str
    question: Question
    format: Format = Format.PARQUET
    shard_size: int = 10_000
    columns: ManifestColumns = field(default_factory=ManifestColumns)
    share: Share = field(default_factory=Share)
    restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it. The summary is there when all shards are, those of other shares included."""

    plan: Plan
    shards_done: int
    errors: int
    """Images without an answer in the shards that this run wrote."""
    summary: Summary | None


class Job:
    """One run of one command."""

    def __init__(self, settings: JobSettings, engine: Engine, store: Store, console: Console) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._console = console
        self._kind = settings.format

    def run(self) -> Outcome:
        """Raises a BatchError; whatever happens, finished shards stay and nothing is half-written."""
        share = self._settings.share
        with held(self._store, share), scratch_folder() as scratch:
            if share.is_whole:
                self._store.sweep()
            with closing(self._engine):
                plan, listing = self._settle(scratch)
                with closing(listing):
                    return self._finish(plan, listing)

    def _settle(self, scratch: Path) -> tuple[Plan, Listing]:
        """The plan of this output: the one that is there, or a new one. Raises PlanChanged."""
        settings = self._settings
        names = self._store.names()
        if PLAN_FILE not in names and any(map(is_part, names)):
            raise PlanChanged(f"{self._store.url} holds part files without a {PLAN_FILE}; choose an empty output")
        if settings.restart:
            self._begin_anew(names)
            names = set()
        found = scratch / LISTING_FILE
        model, facts = self._begun(found)
        plan = Plan(
            source=settings.source,
            images=facts.images,
            listing=facts.digest,
            shard_size=settings.shard_size,
            shards=facts.shards,
            format=settings.format,
            model=model,
            question=settings.question,
        )
        if PLAN_FILE in names:
            self._refuse_changes(plan, found, facts)
        else:
            self._store.write(LISTING_FILE, lambda path: _copy(found, path))
            self._store.write(PLAN_FILE, lambda path: _write(path, plan.to_bytes()))
        return plan, Listing(found)

    def _begun(self, found: Path) -> tuple[Model, ListingFacts]:
        """The model is loaded while the source is listed, which with many images takes as long."""
        settings, given_up = self._settings, Event()
        images = takewhile(lambda _: not given_up.is_set(), images_of(settings.source, settings.columns))
        with ThreadPoolExecutor(1, thread_name_prefix="listing") as beside:
            listed = beside.submit(write_listing, images, found, shard_size=settings.shard_size)
            try:
                return self._engine.start(settings.question), listed.result()
            finally:
                given_up.set()

    def _refuse_changes(self, plan: Plan, found: Path, facts: ListingFacts) -> None:
        old = Plan.from_bytes(self._store.read(PLAN_FILE))
        changes = old.changes(plan)
        if old.listing != facts.digest and old.source == plan.source:
            with (
                self._store.fetched(LISTING_FILE) as path,
                closing(Listing(path)) as before,
                closing(Listing(found)) as after,
            ):
                changes.append(f"the source has changed: {difference(before, after)}")
        if changes:
            raise PlanChanged(
                f"{self._store.url} was begun with another plan: {'; '.join(changes)}. "
                "Ask for the same again, choose another output, or begin anew with --restart."
            )

    def _begin_anew(self, names: set[str]) -> None:
        """Removes what a job wrote, the plan last, and nothing else."""
        ours = {name for name in names if is_part(name) or name in {SUMMARY_FILE, PAGE_FILE}}
        self._store.remove(ours)
        self._store.remove(names & {PLAN_FILE})
        self._store.remove(names & {LISTING_FILE})

    def _finish(self, plan: Plan, listing: Listing) -> Outcome:
        mine = list(self._settings.share.shards(plan.shards))
        there = self._store.names()
        waiting = [shard for shard in mine if part_name(shard, self._kind) not in there]
        images = sum(map(listing.size, mine))
        to_do = sum(map(listing.size, waiting))
        began = time.monotonic()
        with JobProgress(self._console, images=images, done=images - to_do) as progress:
            errors = self._compute(plan, listing, waiting, progress)
            seconds, rate = time.monotonic() - began, progress.images_per_second
        summary = self._summary(plan, listing)
        if summary is not None:
            summary.images_this_run, summary.seconds = to_do, round(seconds, 3)
            summary.images_per_second = round(rate, 1)
            self._write_summary(plan, listing, summary)
        return Outcome(plan=plan, shards_done=len(waiting), errors=errors, summary=summary)

    def _compute(self, plan: Plan, listing: Listing, waiting: list[int], progress: JobProgress) -> int:
        """Returns the errors. A shard is written beside the next one, so that no worker waits for the disk."""
        assembly = Assembly(listing, waiting, batch_size=plan.question.batch_size, most_open=self._engine.workers)
        under_way = errors = 0
        with Writer(lambda shard: self._write_shard(plan, shard)) as writer:
            while True:
                for shard in writer.written():
                    assembly.close(shard)
                while self._engine.has_room and (chunk := assembly.next_chunk()) is not None:
                    self._engine.submit(chunk)
                    under_way += 1
                if not under_way:
                    if not writer.busy:
                        return errors
                    writer.wait()
                    continue
                for results in self._engine.collect():
                    under_way -= 1
                    errors += len(results.faults)
                    progress.add(images=len(results), errors=len(results.faults))
                    if (whole := assembly.add(results)) is not None:
                        writer.submit(whole)

    def _write_shard(self, plan: Plan, shard: OpenShard) -> None:
        table = table_of(shard.images, shard.parts, plan.question, plan.model)
        self._store.write(part_name(shard.number, self._kind), lambda path: CODECS[self._kind].write(table, path))
        give_back_memory()

    def _summary(self, plan: Plan, listing: Listing) -> Summary | None:
        missing = {part_name(shard, self._kind) for shard in range(listing.shards)} - self._store.names()
        return None if missing else summarise(self._store, plan)

    def _write_summary(self, plan: Plan, listing: Listing, summary: Summary) -> None:
        thumbnails = thumbnails_of(summary, listing, max_bytes=plan.question.max_image_bytes)
        self._store.write(SUMMARY_FILE, lambda path: _write(path, summary.to_json().encode()))
        self._store.write(PAGE_FILE, lambda path: _write(path, page_of(summary, thumbnails).encode()))


def _copy(source: Path, target: Path) -> None:
    copyfile(source, target)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)

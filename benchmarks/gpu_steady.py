"""Whether a batch after READY ever takes three times what its size takes: in the service's own loader and batcher."""

import asyncio
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Row
from service.engine.batch_costs import NEARLY_ON_GPU
from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.decode import ImageLimits
from service.engine.execution import options_of
from service.engine.providers import choose_provider
from service.models.loader import LoadObserver, ModelLoader
from service.models.variant import PrecisionChoice

if TYPE_CHECKING:
    from benchmarks.gpu import Bench

MAX_BATCH_SIZE = 128


def steady_row(bench: "Bench") -> Row:
    return asyncio.run(_steady(bench))


async def _steady(bench: "Bench") -> Row:
    reports: list[BatchReport] = []
    package = bench.package()
    with ThreadPoolExecutor(2) as workers:
        loader = ModelLoader(
            provider=choose_provider(bench.device).name,
            threads=1,
            policy=BatchPolicy(max_batch_size=MAX_BATCH_SIZE, ahead=1, nearly=NEARLY_ON_GPU),
            limits=ImageLimits(),
            workers=workers,
            observer=LoadObserver(
                stage=lambda _manifest, _stage, _seconds: None, batch=lambda _manifest, report: reports.append(report)
            ),
            precision=PrecisionChoice(bench.precision),
            provider_options=options_of(bench.options),
        )
        began = time.perf_counter()
        live = await loader.load(package)
        ready = time.perf_counter() - began
        spec = package.manifest.input
        shape = (MAX_BATCH_SIZE, spec.height, spec.width, spec.channels)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        chance, end = random.Random(0), time.perf_counter() + bench.seconds
        while time.perf_counter() < end:
            size = 2 ** chance.randint(0, MAX_BATCH_SIZE.bit_length() - 1)
            await live.batcher.submit_many(images[:size])
        await live.drain()
    return {**_worst(reports), "ready s": ready, "provider": live.provider}


def _worst(reports: list[BatchReport]) -> Row:
    buckets: dict[int, list[float]] = {}
    for report in reports:
        buckets.setdefault(report.size + report.padding, []).append(report.inference_seconds)
    medians = {size: statistics.median(times) for size, times in sorted(buckets.items())}
    ratios = {size: max(buckets[size]) / median for size, median in medians.items()}
    worst = max(ratios, key=lambda size: ratios[size])
    return {
        "row": "steady",
        "limit": "3 x the median of its size",
        "ratio": ratios[worst],
        "batch": worst,
        "ms": 1000 * medians[worst],
        "runs": len(reports),
        "medians ms": str({size: round(1000 * seconds, 3) for size, seconds in medians.items()}),
        "ratios": str({size: round(ratio, 2) for size, ratio in ratios.items()}),
    }

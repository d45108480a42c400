"""What a service cannot beat: the decoder and ONNX Runtime called in this process, with nothing around them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CPU_PROVIDER
from service.engine.session import available_cores, open_runtime
from service.models.manifest import InputSpec, Precision
from service.models.repository import Package

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a machine's cores are given to ONNX Runtime: so many sessions of so many threads, batches of one size."""

    sessions: int
    threads: int
    batch: int
    images_per_second: float

    def __str__(self) -> str:
        return f"{self.sessions} × {self.threads} threads, batch {self.batch}"


class RawModel:
    """A package's graph in ONNX Runtime, and its way of preparing pictures."""

    def __init__(
        self,
        package: Package,
        precision: Precision = Precision.FP32,
        *,
        provider: str = CPU_PROVIDER,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        manifest = package.manifest
        self.spec: InputSpec = manifest.input
        self._graph = package.read(manifest.variants[precision].file)
        self._provider = provider
        self._provider_options = provider_options
        self._sessions: dict[tuple[int, int], Callable[[Images], npt.NDArray[np.float32]]] = {}
        self._outputs = [manifest.outputs.logits]
        self._limits = ImageLimits()

    @property
    def on_cpu(self) -> bool:
        return self._provider == CPU_PROVIDER

    def session(self, threads: int, number: int = 0) -> Callable[[Images], npt.NDArray[np.float32]]:
        """Made when it is asked for the first time; another number is another session."""
        if (threads, number) not in self._sessions:
            self._sessions[threads, number] = self._load(threads)
        return self._sessions[threads, number]

    def _load(self, threads: int) -> Callable[[Images], npt.NDArray[np.float32]]:
        runtime = open_runtime(
            self._graph, provider=self._provider, threads=threads, provider_options=self._provider_options
        )

        def run(images: Images) -> npt.NDArray[np.float32]:
            logits: npt.NDArray[np.float32] = runtime.run(self._outputs, {self.spec.tensor: images})[0]
            return logits

        return run

    def prepare(self, file: bytes) -> Images:
        return preprocess(decode(file, pixel_format=self.spec.pixel_format, limits=self._limits), self.spec)

    def random_images(self, count: int, seed: int = 0) -> Images:
        shape = (count, self.spec.height, self.spec.width, self.spec.channels)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def best_layout(model: RawModel, *, batches: Sequence[int], seconds: float) -> Layout:
    """The fastest of all cores for one batch, and one core for each of several; a GPU has one session."""
    cores = available_cores()
    layouts = {(1, cores), (cores, 1)} if model.on_cpu else {(1, 1)}
    each = seconds / len(layouts) / len(batches)
    found = [
        _measure(model, sessions, threads, batch, each) for sessions, threads in sorted(layouts) for batch in batches
    ]
    return max(found, key=lambda layout: layout.images_per_second)


def decode_rate(model: RawModel, files: Sequence[bytes], *, seconds: float, threads: int | None = None) -> float:
    """Images a second, decoded and brought to the model's size, on all cores, with a thread for each by default."""
    workers = threads or available_cores()
    end = time.perf_counter() + seconds

    def work(first: int) -> int:
        done = 0
        while time.perf_counter() < end:
            model.prepare(files[(first + done) % len(files)])
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = sum(pool.map(work, range(workers)))
    return done / (time.perf_counter() - began)


def single_latency(model: RawModel, files: Sequence[bytes], *, seconds: float) -> float:
    """Median seconds of one image, decoded and computed on all cores, one after the other."""
    run = model.session(available_cores())
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        began = time.perf_counter()
        run(model.prepare(files[len(times) % len(files)])[np.newaxis])
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def _measure(model: RawModel, sessions: int, threads: int, batch: int, seconds: float) -> Layout:
    runs = [model.session(threads, number) for number in range(sessions)]
    images = model.random_images(batch)
    for run in runs:
        run(images)
    end = time.perf_counter() + seconds

    def work(run: Callable[[Images], object]) -> float:
        """Images a second: to wait for the other session's last batch is not part of it."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() < end or done == 0:
            run(images)
            done += batch
        return done / (time.perf_counter() - began)

    with ThreadPoolExecutor(sessions) as pool:
        rate = sum(pool.map(work, runs))
    return Layout(sessions=sessions, threads=threads, batch=batch, images_per_second=rate)

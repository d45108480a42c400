"""In how long images are answered that join a queue: worked out once for each number of them, as every request asks."""

from service.engine.batch_costs import BatchCosts
from service.engine.batch_sizes import BatchSizes, crowd_of
from service.engine.priority import Priority


class Estimates:
    """Of one model."""

    def __init__(self, costs: BatchCosts, sizes: BatchSizes) -> None:
        self._costs = costs
        self._sizes = sizes
        self._unloaded: dict[tuple[int, bool], float] = {}
        """By the number of images, and whether they are of the lowest priority."""

    def seconds(self, images: int, priority: Priority) -> float:
        """Of their batches, with those that go before them counted in, under the load of the last ones."""
        key = images, priority is Priority.LOW
        seconds = self._unloaded.get(key)
        if seconds is None:
            seconds = self._unloaded[key] = self._work_out(images, priority)
        return self._costs.load * seconds

    def learn(self) -> None:
        """Works them out anew, where the costs were not known beforehand."""
        self._unloaded.clear()

    def _work_out(self, images: int, priority: Priority) -> float:
        lanes = self._sizes.lanes
        size = self._sizes.next(images, crowd=crowd_of(images, priority), free=1)
        full, rest = divmod(images - 1, size)
        batch, last = self._costs.unloaded(size), rest + 1
        # Full ones are computed beside the last, and it is not done much sooner than they are, however small.
        return full * batch / lanes + max(self._costs.unloaded(last), batch - batch / lanes * (1 - last / size))

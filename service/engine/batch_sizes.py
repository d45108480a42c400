"""How many images go together: what the settings and the measured costs make of it. Numbers only.

Lanes share the cores: while all of them compute, a batch takes so many times as long as alone. So where company saves
little, images go one by one and side by side while few wait, since nobody then waits for a neighbour to be computed;
and in full batches while many wait, since a little is saved all the same.
"""

import math

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy
from service.engine.priority import Priority

WHOLE_SECONDS = 0.005
"""As long as others may have to wait for a request of many images that is computed in one piece."""
WORTH_A_LANE_SECONDS = 0.002
"""Below that, two threads cost more than they gain, and images wait for each other instead."""
WORTH_WAITING = 1.25
"""Company is waited for on several lanes where an image costs so many times as much without."""
CHEAP_ENOUGH = 1.05
"""A batch on several lanes is as large as pays: an image costs at most so many times as much as in the best one."""

BATCHES_WAITING = 2
"""For each lane, before one of them takes more than a single image where company saves little. Without it an image
would wait a fifth longer at four fifths of the capacity.
"""


class BatchSizes:
    """Of one model."""

    def __init__(self, policy: BatchPolicy, costs: BatchCosts) -> None:
        self._policy = policy
        self._costs = costs
        slow = not costs.known or costs.expected(1) >= WORTH_A_LANE_SECONDS
        self.lanes = policy.lanes if slow else 1
        """Batches at a time while little waits."""
        self._quick = self._quick_size()
        self.learn()

    def learn(self) -> None:
        """Looks at the costs anew, where they were not known beforehand."""
        self._worth = self._smallest_that_pays()
        self._largest = self._within_objective(max(self._worth, self._largest_that_pays()))

    @property
    def largest(self) -> int:
        """Most images in a batch: as set, but no more than pay, and no more than the objective leaves time for."""
        return self._largest

    @property
    def whole(self) -> int:
        """Most images of one request that go as one item. They need no company and gain nothing from being cut, so
        where all take turns on one lane it may be more than a batch that is put together.
        """
        return max(self._largest, self._quick) if self.lanes == 1 else self._largest

    @property
    def piece(self) -> int:
        """The same where each may go alone: on several lanes they do, so that they are spread over the free ones."""
        return self.whole if self.lanes == 1 else 1

    @property
    def quick(self) -> bool:
        """Whether others may wait for a full batch that began before they came."""
        return self._costs.known and self._costs.largest_within(self._longest(), (self._largest,)) is not None

    @property
    def window_seconds(self) -> float:
        """How long a batch may gather while another runs beside a free lane, where company makes images cheaper."""
        if self._policy.slo_seconds is None or min(self._worth, self._largest) == 1 or not self._costs.known:
            return 0.0
        return max(0.0, self._policy.slo_seconds / 2 - self._costs.expected(self._largest))

    def next(self, waiting: int, *, crowd: int, free: int) -> int:
        """Of a batch that is cut now, with so many lanes free. Only for a `crowd` of equals it is larger than what
        makes images much cheaper: others who wait would make the first one late to save little.
        """
        fair = math.ceil(crowd / (BATCHES_WAITING * max(free, self.lanes)))
        return min(self._largest, max(fair, min(self._worth, math.ceil(waiting / free))))

    def _smallest_that_pays(self) -> int:
        """More would not make an image much cheaper."""
        most = self._policy.max_batch_size
        if self._policy.max_delay_seconds > 0.0:  # who set it wants company, whether it pays or not
            return most
        alone = self.lanes == 1 or self._policy.ahead  # a GPU computes one batch after the other, whoever asks
        nearly = self._policy.nearly if alone else max(self._policy.nearly, WORTH_WAITING)
        return self._costs.best_size(most, nearly=nearly)

    def _largest_that_pays(self) -> int:
        """On several lanes, where it is only taken while many wait."""
        if self.lanes == 1 or self._policy.ahead:
            return 1
        return self._costs.largest_size(self._policy.max_batch_size, nearly=CHEAP_ENOUGH)

    def _within_objective(self, size: int) -> int:
        """An image waits for one batch at most that began before it, and for its own: both must fit."""
        if self._policy.slo_seconds is None or not self._costs.known:
            return size
        alone = self._policy.slo_seconds / 2 / self.lanes
        return self._costs.largest_within(alone, range(1, size + 1)) or 1

    def _quick_size(self) -> int:
        """Most images that are computed within so little time that others may wait for them."""
        if not self._costs.known or self._policy.ahead:  # a GPU fills sizes up, and would compute more than was asked
            return 1
        return self._costs.largest_within(self._longest(), range(1, self._policy.max_batch_size + 1)) or 1

    def _longest(self) -> float:
        """Seconds that others may have to wait for what is computed in one piece."""
        return min(WHOLE_SECONDS, (self._policy.slo_seconds or math.inf) / 2)


def crowd_of(images: int, priority: Priority) -> int:
    """How many want larger batches; at the lowest priority nobody, as others would come and wait for them."""
    return 0 if priority is Priority.LOW else images

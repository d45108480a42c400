"""What no service can beat in an open loop: images that come by chance, and one server that never pauses.

Every image takes all of the machine for its share of the capacity and is served in the order in which it came. Where
nothing is refused and company makes no image cheaper, whatever is done otherwise makes some image wait longer.
"""

import random

IMAGES = 200_000


def ideal_percentile(rate: float, capacity: float, share: float, *, images: int = IMAGES, seed: int = 0) -> float:
    """Seconds within which such a share (99 for 99 %) is answered, at `rate` images a second (Poisson)."""
    chance = random.Random(seed)
    seconds, left, latencies = 1 / capacity, 0.0, []
    for _ in range(images):
        latencies.append(left + seconds)
        left = max(0.0, left + seconds - chance.expovariate(rate))
    latencies.sort()
    return latencies[min(images - 1, int(share / 100 * images))]


def fewest_late(rate: float, capacity: float, objective: float, *, images: int = IMAGES, seed: int = 0) -> float:
    """The share of images that are late whatever is done: even where nobody waits for those that would be late anyway.

    All take the same time, so that to compute whoever can still be in time, in the order in which they came, makes as
    many of them be in time as can be. Where more than a hundredth is late, no order of work has its 99th percentile
    within the objective.
    """
    chance = random.Random(seed)
    seconds, left, late = 1 / capacity, 0.0, 0
    for _ in range(images):
        in_time = left + seconds <= objective
        late += not in_time
        left = max(0.0, left + (seconds if in_time else 0.0) - chance.expovariate(rate))
    return late / images

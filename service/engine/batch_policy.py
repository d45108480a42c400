"""When a batch is cut, how large it may be, and how much may wait: numbers only, no clock and no thread."""

from dataclasses import dataclass
from enum import StrEnum

from service.engine.batch_costs import NEARLY


class Closed(StrEnum):
    """Why a batch was cut when it was."""

    FULL = "full"
    """It held as many images as are worth computing together."""
    DELAY = "delay"
    """The image that had waited longest had waited long enough."""
    DEADLINE = "deadline"
    """One of its images could not wait any longer, or would have been late in larger company."""
    IDLE = "idle"
    """The session was free, and nobody waits for company then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """What the settings say; what follows from the measured costs is worked out by the scheduler."""

    max_batch_size: int = 64
    """Most images in one batch; costs and `slo_seconds` may make it fewer."""
    max_delay_seconds: float = 0.0
    """How long the image that came first waits for company although the session is free."""
    max_queue_images: int = 1024
    max_queue_bytes: int = 2**40
    """Of the tensors that wait."""
    slo_seconds: float | None = None
    """In how long nearly every image shall be answered, from its arrival in the queue."""
    lanes: int = 1
    """Batches that the session computes side by side."""
    nearly: float = NEARLY
    """A batch is large enough where an image costs at most so many times as much as in the best one."""
    ahead: int = 0
    """Full batches that may be made ready besides, while every lane is taken."""

    @property
    def takes_lone(self) -> bool:
        """Whether nothing speaks against computing an image at once that comes alone."""
        return self.max_delay_seconds == 0.0 and not self.ahead

"""Who calls and what that caller may do; each gate finds out and notes it for the call, the rest only asks."""

import contextvars
from dataclasses import dataclass

from service.api.auth.rate import Bucket
from service.api.auth.tokens import EVERY_MODEL
from service.errors import NotPermitted, RateExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the holder of a token may do; `name` is the token's, never the token."""

    name: str
    models: frozenset[str]
    control: bool
    metrics: bool
    bucket: Bucket | None = None

    def may_use(self, model: str) -> bool:
        return EVERY_MODEL in self.models or model in self.models

    def check_model(self, model: str) -> None:
        """Raises NotPermitted, in the same words whether there is such a model or not."""
        if not self.may_use(model):
            raise NotPermitted(
                f"This token may not use the model {model[:64]!r}; ask the operator of the server for it.",
                model=model[:64],
            )

    def check_control(self) -> None:
        """Raises NotPermitted where the caller may not load and unload models."""
        if not self.control:
            raise NotPermitted("This token may not load or unload models; the operator gives that right (control).")

    def check_metrics(self) -> None:
        """Raises NotPermitted where the caller may not read the metrics."""
        if not self.metrics:
            raise NotPermitted("This token may not read the metrics; the operator gives that right (metrics).")

    def charge(self) -> None:
        """Raises RateExceeded where the caller calls faster than it may."""
        seconds = self.wait_seconds()
        if seconds > 0:
            raise RateExceeded(
                "This token is used more often than the operator allows; call again later.", retry_seconds=seconds
            )

    def wait_seconds(self) -> float:
        """0 where one more call was taken from the rate, else how long to wait before the next try."""
        return 0.0 if self.bucket is None else self.bucket.take()


EVERYONE = Caller(name="", models=frozenset({EVERY_MODEL}), control=True, metrics=True)
"""Who calls where no tokens are asked for."""
NOBODY = Caller(name="", models=frozenset(), control=False, metrics=False)
"""Who calls what stays open without a token, where tokens are asked for."""

current_caller: contextvars.ContextVar[Caller] = contextvars.ContextVar("current_caller", default=EVERYONE)
"""Set by the gates before anything of the call runs. The service itself, which loads models, is not limited."""

"""A version that answers: what it does under load, and what is left of it afterwards (service/models/live_model.py)."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from service.engine import layouts as layouts_module
from service.engine.batcher import BatchPolicy, Tensor
from service.engine.decode import ImageLimits
from service.engine.execution import CPU_PROVIDER
from service.engine.session import Outputs, Session
from service.engine.side_by_side import SideBySide
from service.models import sessions as sessions_module
from service.models.loader import LoadObserver, ModelLoader
from service.models.repository import ModelRepository
from tests.service.models.observed import Observed
from tests.service.packages import PackageRecipe, encode, picture


class Slow(Session):
    """So that batches run side by side; notes which sessions computed."""

    used: list[Session]

    def run(self, images: Tensor) -> Outputs:
        self.used.append(self)
        time.sleep(0.003 * len(images))
        return super().run(images)


async def test_under_load_a_second_session_answers_and_is_let_go_of(
    root: Path, observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same answers as the first."""
    Slow.used = []
    monkeypatch.setattr(sessions_module, "Session", Slow)
    monkeypatch.setattr(layouts_module, "SideBySide", partial(SideBySide, 0.0))
    PackageRecipe().write(root)
    with ThreadPoolExecutor(2) as workers:
        loader = ModelLoader(
            provider=CPU_PROVIDER,
            threads=2,
            policy=BatchPolicy(max_batch_size=4, lanes=2),
            limits=ImageLimits(),
            workers=workers,
            observer=LoadObserver(stage=observed.stage, batch=observed.batch),
        )
        live = await loader.load(ModelRepository(root).open("thirds", 1))
        images = [encode(picture(place % 3)) for place in range(12)]
        alone = (await live.classifier.classify_many(images[:3], top_k=3)).ranked.probabilities
        assert live.layouts.may_open
        async with asyncio.timeout(60):
            while live.layouts.narrow is None:
                await live.classifier.classify_many(images, top_k=3)
        Slow.used.clear()
        answers = await live.classifier.classify_many(images, top_k=3)
        assert set(Slow.used) == {live.session, live.layouts.narrow}
        np.testing.assert_allclose(answers.ranked.probabilities, np.tile(alone, (4, 1)), atol=1e-5)
        await live.drain()
    assert [live.layouts.narrow, live.layouts.may_open] == [None, False]

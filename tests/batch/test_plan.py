"""Plans: the same bytes for the same job, and what differs in words."""

from dataclasses import replace

import pytest

from batch.errors import PlanChanged
from batch.plan import Plan, Question
from tests.batch.fake_engine import MODEL

PLAN = Plan(
    source="photos",
    images=5,
    listing="a" * 64,
    shard_size=2,
    shards=3,
    format="parquet",
    model=MODEL,
    question=Question(),
)


def test_a_plan_comes_back_as_it_was() -> None:
    assert Plan.from_bytes(PLAN.to_bytes()) == PLAN
    assert PLAN.to_bytes() == PLAN.to_bytes()


def test_what_changed_is_said() -> None:
    assert PLAN.changes(PLAN) == []
    assert PLAN.changes(replace(PLAN, shard_size=3)) == ["shard_size was 2 and is 3"]
    assert PLAN.changes(replace(PLAN, model=replace(MODEL, digest="e" * 64))) == [
        f"model digest was {'d' * 60}… and is {'e' * 60}…"
    ]
    assert PLAN.changes(replace(PLAN, question=Question(top_k=2))) == ["top_k was 5 and is 2"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema_version": 99}', b'{"schema_version": 1, "else": 2}', b"[]"])
def test_a_plan_of_another_program_is_refused(content: bytes) -> None:
    with pytest.raises(PlanChanged, match="--restart"):
        Plan.from_bytes(content)

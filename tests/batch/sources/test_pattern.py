"""Patterns."""

from pathlib import Path

from batch.sources.location import Location
from batch.sources.pattern import is_pattern, matches


def test_ids_begin_where_the_pattern_does(tmp_path: Path) -> None:
    for name in ("x/a/1.png", "x/b/2.png", "x/b/.3.png", "x/b/4.txt", "y/5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = list(matches(Location.of(str(tmp_path / "x" / "*" / "*.png"))))
    assert [named.id for named in found] == ["a/1.png", "b/2.png"]
    assert [named.id for named in matches(Location.of(str(tmp_path / "**" / "*.png")))] == [
        "x/a/1.png",
        "x/b/2.png",
        "y/5.png",
    ]
    assert found[0].item.size == 1


def test_what_is_a_pattern() -> None:
    assert is_pattern("a/*.png")
    assert is_pattern("a/[01].png")
    assert not is_pattern("s3://bucket/a.png")

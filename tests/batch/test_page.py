"""The summary as a page."""

from pathlib import Path

from batch.item import Item, Named
from batch.listing import Listing, write_listing
from batch.page import page_of, thumbnails_of
from batch.summary import Doubtful, Summary
from tests.service.packages import encode, picture


def test_names_are_escaped_and_pictures_are_inside(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    images = [
        Named("<b>.png", Item(path=str(tmp_path / "a.png"))),
        Named("away.png", Item(path=str(tmp_path / "away.png"))),
    ]
    write_listing(iter(images), tmp_path / "l.parquet", shard_size=2)
    summary = Summary(
        images=2,
        errors=1,
        labels={"<script>": 1},
        reasons={"IMAGE_UNREADABLE": 1},
        least_certain=[
            Doubtful(probability=0.3, id=named.id, label="x", shard=0, place=place)
            for place, named in enumerate(images)
        ],
    )
    thumbnails = thumbnails_of(summary, Listing(tmp_path / "l.parquet"), max_bytes=10**6)
    assert thumbnails[0] is not None
    assert thumbnails[0].startswith(b"\x89PNG")
    assert thumbnails[1] is None
    page = page_of(summary, thumbnails)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;.png" in page
    assert page.count("data:image/png;base64,") == 1

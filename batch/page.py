"""The summary as one HTML file without scripts: the counts as bars, and a sheet of the least certain images."""

import base64
import io
from html import escape

from PIL import Image

from batch.fault import Fault
from batch.item import Item
from batch.listing import Listing
from batch.reader import Reader
from batch.summary import Doubtful, Summary

THUMBNAIL = 96
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733 }
table { border-collapse: collapse; width: 100% } td { padding: .1rem .5rem; white-space: nowrap }
td.count { text-align: right; font-variant-numeric: tabular-nums } td.bar { width: 100% }
td.bar div { background: #4a7dbd; height: .8rem } .errors td.bar div { background: #c2553f }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem }
ul { list-style: none; padding: 0 }
li { font-size: 12px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
img { display: block; width: 96px; height: 96px; object-fit: contain; background: #eee }
"""


def page_of(summary: Summary, thumbnails: list[bytes | None]) -> str:
    """`thumbnails` belong to the least certain images, in their order; None where one could not be made."""
    confidence = "–" if summary.mean_confidence is None else f"{summary.mean_confidence:.1%}"
    facts = (
        f"{escape(summary.model)} version {summary.version} ({escape(summary.digest[:12])}), "
        f"mean confidence {confidence}, {summary.unknown:,} unknown, {summary.errors:,} without an answer; "
        f"{summary.images_this_run:,} images in the last run, {summary.images_per_second:,.0f} images/s"
    )
    cards = "".join(map(_card, summary.least_certain, thumbnails))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{summary.images:,} images</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{summary.images:,} images</h1>\n<p>{facts}</p>\n"
        f"<h2>Labels</h2>\n{_bars(summary.labels, '')}\n"
        + (f"<h2>No answer</h2>\n{_bars(summary.reasons, 'errors')}\n" if summary.reasons else "")
        + (f"<h2>Least certain</h2>\n<ul>{cards}</ul>\n" if cards else "")
        + "</body></html>\n"
    )


def thumbnails_of(summary: Summary, listing: Listing, *, max_bytes: int) -> list[bytes | None]:
    """Small PNG files, read anew from the source."""
    reader = Reader(max_bytes=max_bytes)
    return [_thumbnail(reader, _item(listing, doubtful)) for doubtful in summary.least_certain]


def _item(listing: Listing, doubtful: Doubtful) -> Item:
    (item,) = listing.shard(doubtful.shard).items(doubtful.place, doubtful.place + 1)
    return item


def _thumbnail(reader: Reader, item: Item) -> bytes | None:
    buffer = io.BytesIO()
    try:
        (content,) = reader.read([item])
        if isinstance(content, Fault):
            return None
        with Image.open(io.BytesIO(content)) as picture:
            picture.thumbnail((THUMBNAIL, THUMBNAIL))
            picture.convert("RGB").save(buffer, "PNG")
    except Exception:  # noqa: BLE001 - the sheet is for looking at; a picture that fails leaves its place empty
        return None
    return buffer.getvalue()


def _bars(counts: dict[str, int], kind: str) -> str:
    most = max(counts.values(), default=1)
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="count">{count:,}</td>'
        f'<td class="bar"><div style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for name, count in counts.items()
    )
    return f'<table class="{kind}">{rows}</table>'


def _card(doubtful: Doubtful, thumbnail: bytes | None) -> str:
    source = "" if thumbnail is None else f"data:image/png;base64,{base64.b64encode(thumbnail).decode()}"
    name = escape(doubtful.id, quote=True)
    picture = f'<img src="{source}" alt="{name}">'
    return f'<li title="{name}">{picture}{doubtful.probability:.1%} {escape(doubtful.label)}<br>{name}</li>'

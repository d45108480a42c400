"""Charts of a report as SVG, without scripts: lines over epochs, the reliability diagram, the confusion matrix."""

from collections.abc import Sequence
from html import escape

from training.quality import ReliabilityBin

WIDTH, HEIGHT, MARGIN = 460, 260, 54
COLOURS = ("#1f6f8b", "#c1512c", "#5b8c3e")


def line_chart(title: str, series: dict[str, Sequence[float]], *, percent: bool = False) -> str:
    """One line for each series over the epochs, counted from 1."""
    values = [value for line in series.values() for value in line]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    longest = max(len(line) for line in series.values())
    parts = [_axes(title, low, high, percent=percent), _text(WIDTH / 2, HEIGHT - 8, f"epoch 1 to {longest}")]
    for number, (name, line) in enumerate(series.items()):
        points = [
            (MARGIN + (WIDTH - 2 * MARGIN) * index / max(longest - 1, 1), _y((value - low) / (high - low)))
            for index, value in enumerate(line)
        ]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points[:: max(longest // 30, 1)]
        ]
        parts.append(_text(MARGIN + 8 + 150 * number, 34, name, anchor="start", colour=colour))
    return _svg(parts, HEIGHT)


def reliability_chart(title: str, bins: Sequence[ReliabilityBin]) -> str:
    """Bars of accuracy over confidence; the diagonal is perfect calibration."""
    inner = WIDTH - 2 * MARGIN
    parts = [_axes(f"accuracy over confidence, {title}", 0.0, 1.0, percent=True)]
    for entry in bins:
        x, top = MARGIN + inner * entry.lower, _y(entry.accuracy)
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{inner * (entry.upper - entry.lower) - 2:.1f}" '
            f'height="{max(_y(0) - top, 0.5):.1f}" fill="{COLOURS[0]}" opacity="0.75"><title>{entry.images:,} images, '
            f"confidence {entry.confidence:.1%}, accuracy {entry.accuracy:.1%}</title></rect>"
        )
    parts.append(
        f'<line x1="{MARGIN}" y1="{_y(0)}" x2="{WIDTH - MARGIN}" y2="{_y(1)}" stroke="{COLOURS[1]}" '
        'stroke-dasharray="5 4"/>'
    )
    parts += [_text(MARGIN + inner * at, _y(0) + 16, f"{at:.0%}") for at in (0.0, 0.5, 1.0)]
    parts.append(_text(WIDTH / 2, HEIGHT - 8, "confidence"))
    return _svg(parts, HEIGHT)


def confusion_table(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Rows are true labels, columns predicted ones; a cell is the darker the larger its share of the row."""
    head = "".join(f"<th scope=col><span>{escape(label)}</span></th>" for label in labels)
    rows = []
    for number, (label, counts) in enumerate(zip(labels, confusion, strict=True)):
        total = max(sum(counts), 1)
        cells = "".join(
            f'<td style="{_shade(count / total, diagonal=column == number)}">{count or ""}</td>'
            for column, count in enumerate(counts)
        )
        rows.append(f"<tr><th scope=row>{escape(label)}</th>{cells}</tr>")
    return f'<table class="confusion"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _shade(share: float, *, diagonal: bool) -> str:
    strength = min(share if diagonal else share * 4, 1.0)
    red, green, blue = (31, 111, 139) if diagonal else (193, 81, 44)
    return f"background:rgba({red},{green},{blue},{strength:.2f});color:{'#fff' if strength > 0.55 else '#1c2429'}"


def _axes(title: str, low: float, high: float, *, percent: bool) -> str:
    lines = [_text(MARGIN, 16, title, anchor="start", weight="600")]
    for part in (0.0, 0.5, 1.0):
        value = low + (high - low) * part
        lines.append(
            f'<line x1="{MARGIN}" y1="{_y(part):.1f}" x2="{WIDTH - MARGIN}" y2="{_y(part):.1f}" stroke="#dbe1e5"/>'
        )
        lines.append(_text(MARGIN - 5, _y(part) + 4, f"{value:.1%}" if percent else f"{value:.3g}", anchor="end"))
    return "".join(lines)


def _y(part: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * part


def _text(
    x: float, y: float, text: str, *, anchor: str = "middle", colour: str = "#43515a", weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}" '
        f'font-size="12">{escape(text)}</text>'
    )


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'

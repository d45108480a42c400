"""The report of a run, `report.html` (one file that needs no other) and its short form `card.md`."""

import json
from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.charts import confusion_table, line_chart, reliability_chart
from training.checkpoint import METRICS_FILE, Run
from training.data import Images
from training.quality import Mistake, Quality, assess, averages, reliability, worst_mistakes
from training.typed_json import encode

REPORT_FILE, CARD_FILE = "report.html", "card.md"
MISTAKES = 24
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2429;max-width:1000px;margin:0 auto;padding:24px 20px 60px}
h1{margin:0 0 4px}h2{margin:36px 0 10px;border-bottom:1px solid #dbe1e5;padding-bottom:4px}p{margin:6px 0}
.figures{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}.figures div{background:#f2f5f7;border-radius:8px;
padding:10px 14px;min-width:130px}.figures b{display:block;font-size:21px}.charts{display:grid;
grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px}svg{width:100%;height:auto;background:#fff;
box-sizing:border-box;border:1px solid #e6ebee;border-radius:8px}.scroll{overflow-x:auto}table{border-collapse:collapse}
td,th{padding:4px 9px;text-align:right;font-variant-numeric:tabular-nums}th[scope=row],td:first-child{text-align:left;
white-space:nowrap}
.confusion th[scope=col]{vertical-align:bottom;text-align:center;height:110px;padding:2px}
.confusion th span{writing-mode:vertical-rl;
transform:rotate(180deg);font-weight:400}.confusion td{min-width:36px;text-align:center}
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:12px}figure{margin:0;
background:#f2f5f7;border-radius:8px;padding:8px;font-size:13px}figure img{width:100%;image-rendering:pixelated;
border-radius:4px;display:block;margin-bottom:6px}pre{background:#f2f5f7;padding:12px;border-radius:8px;overflow-x:auto;
white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}code{overflow-wrap:anywhere}
@media(max-width:600px){body{padding:16px 12px}td,th{padding:3px 4px}.scroll{font-size:13px}}
"""


def write_report(run: Run, test: Images) -> Quality:
    """Both files beside the run; `test` are the images behind its test predictions."""
    quality = assess(run.record.metrics["test"], run.predictions("test"), run.predictions("validation"))
    (run.directory / REPORT_FILE).write_text(render_report(run, test, quality), encoding="utf-8")
    (run.directory / CARD_FILE).write_text(render_card(run, quality), encoding="utf-8")
    return quality


def render_report(run: Run, test: Images, quality: Quality) -> str:
    record, (logits, labels) = run.record, run.predictions("test")
    metrics = record.metrics["test"]
    scaled = (logits / quality.temperature).astype(np.float32)
    mistakes = worst_mistakes(logits, labels, count=MISTAKES)
    pictures = "".join(_mistake(mistake, test, record.labels) for mistake in mistakes)
    calibration = (
        f"<p>Expected calibration error {quality.ece_before:.2%} as trained, {quality.ece_after:.2%} with "
        f"temperature {quality.temperature:.3f}, fitted on the validation split.</p>"
        f'<div class="charts">{reliability_chart("as trained", reliability(logits, labels))}'
        f"{reliability_chart('with temperature', reliability(scaled, labels))}</div>"
    )
    matrix = confusion_table(record.labels, metrics.confusion)
    recipe = escape(json.dumps(encode(record.recipe), indent=2, ensure_ascii=False))
    sections = {
        "Training": f'<div class="charts">{"".join(_curves(run))}</div>',
        "Calibration": calibration,
        "Labels": f'<div class="scroll">{_label_table(run)}</div>',
        "Confusion": f'<p>Rows are true labels, columns what was predicted.</p><div class="scroll">{matrix}</div>',
        "Surest mistakes": f'<div class="mistakes">{pictures}</div>' if pictures else "<p>None.</p>",
        "Recipe": f"<pre>{recipe}</pre>",
        "Origin": _origin(run),
    }
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in sections.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(record.name)}</title><style>{STYLE}</style></head>'
        f"<body><h1>{escape(record.name)}</h1><p>{escape(_summary(run))}</p>{_figures(run, quality)}{body}</body>"
        "</html>\n"
    )


def _origin(run: Run) -> str:
    record = run.record
    return (
        f"<p>Data: {escape(record.data.name)}, SHA-256 <code>{record.data.sha256}</code>, "
        f"{escape(record.licence.data)}. Weights: {escape(record.licence.weights)}. Digest of the run: "
        f"<code>{run.digest}</code>.</p>"
    )


def render_card(run: Run, quality: Quality) -> str:
    """Markdown for a repository page."""
    record = run.record
    lines = [f"# {record.name}", "", _summary(run), "", "| figure | test |", "|---|---:|"]
    lines += [f"| {name} | {value} |" for name, value in _values(run, quality).items()]
    lines += ["", f"Data: `{record.data.name}`, SHA-256 `{record.data.sha256}`; licence: {record.licence.data}.", ""]
    lines += ["| label | precision | recall | F1 | images |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.label.replace('|', ' ')} | {row.precision:.2%} | {row.recall:.2%} | {row.f1:.2%} | {row.support:,} |"
        for row in (*record.metrics["test"].per_label, *averages(record.metrics["test"]))
    ]
    return "\n".join([*lines, "", f"Weights: {record.licence.weights}. Seed {record.seed}.", ""])


def _summary(run: Run) -> str:
    record = run.record
    sizes = ", ".join(f"{count:,} {split}" for split, count in record.data.splits.items())
    trial = "" if record.data.limit is None else f" A trial on {record.data.limit:,} training images."
    return (
        f"{record.family} with {record.parameters:,} parameters on {record.data.name} ({sizes}); seed {record.seed}, "
        f"{record.epochs} epochs in {record.train_seconds:.0f} s ({record.cpu_seconds:.0f} s of processor time) on "
        f"{record.hardware.in_words}.{trial}"
    )


def _values(run: Run, quality: Quality) -> dict[str, str]:
    metrics = run.record.metrics["test"]
    low, high = metrics.accuracy_interval
    return {
        "accuracy": f"{metrics.accuracy:.2%}",
        "95 % interval": f"{low:.2%} to {high:.2%}",
        **({} if quality.top5 is None else {"top-5": f"{quality.top5:.2%}"}),
        "macro-F1": f"{metrics.macro_f1:.2%}",
        "weighted F1": f"{quality.weighted_f1:.2%}",
        "calibration error": f"{quality.ece_before:.2%}",
        "… with temperature": f"{quality.ece_after:.2%}",
    }


def _figures(run: Run, quality: Quality) -> str:
    boxes = "".join(f"<div>{escape(name)}<b>{value}</b></div>" for name, value in _values(run, quality).items())
    return f'<div class="figures">{boxes}</div>'


def _curves(run: Run) -> list[str]:
    file = run.directory / METRICS_FILE
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    if not lines:
        return ["<p>The head alone was trained, on features that were computed once: there are no epochs to show.</p>"]
    return [
        line_chart("loss while training", {"training": [line["loss"] for line in lines]}),
        line_chart(
            "validation",
            {
                "accuracy": [line["validation_accuracy"] for line in lines],
                "macro-F1": [line["validation_macro_f1"] for line in lines],
            },
            percent=True,
        ),
    ]


def _label_table(run: Run) -> str:
    metrics = run.record.metrics["test"]
    head = "".join(f"<th scope=col>{name}</th>" for name in ("precision", "recall", "F1", "images"))
    rows = "".join(
        f"<tr><th scope=row>{escape(row.label)}</th><td>{row.precision:.2%}</td><td>{row.recall:.2%}</td>"
        f"<td>{row.f1:.2%}</td><td>{row.support:,}</td></tr>"
        for row in (*metrics.per_label, *averages(metrics))
    )
    return f"<table><thead><tr><td>label</td>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _mistake(mistake: Mistake, test: Images, labels: tuple[str, ...]) -> str:
    return (
        f'<figure><img alt="test image {mistake.index}" src="{_data_url(test.pixels[mistake.index])}">'
        f"<b>{escape(labels[mistake.predicted])}</b> {mistake.confidence:.1%}<br>is {escape(labels[mistake.label])}"
        f"<br>test {mistake.index}</figure>"
    )


def _data_url(pixels: NDArray[np.uint8]) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"

"""The model card, `card.md`: what the model is, what it learnt from and how well it does, for people."""

import json
from collections.abc import Iterable, Iterator, Mapping

from export.evidence import Evidence
from service.models.manifest import Baseline, Calibration, Manifest, Metrics, Precision, Variant
from training.checkpoint import Run
from training.metrics import wilson_interval
from training.record import RunRecord
from training.typed_json import encode

PRECISIONS_NOTE = (
    "Skew: accuracy of encoded files on the service's way less that of the raw pixels. Answer of fp32, and largest "
    "difference of a logit from it (of fp32: from training): on the images of the export's checks."
)


def render_card(
    run: Run,
    evidence: Evidence,
    *,
    name: str,
    variants: Mapping[Precision, Variant],
    sizes: Mapping[str, int],
) -> str:
    """Markdown; the front matter follows the convention of model hubs. The version is unknown as yet and not said."""
    record = run.record
    sections = (
        _front_matter(record),
        f"# {name}",
        _introduction(record),
        "## Data",
        _data(record),
        "## Results",
        _results(evidence.metrics, evidence.calibration),
        _label_table(evidence.metrics),
        "## Precisions",
        precisions(variants, evidence.left_out, sizes),
        "## Drift",
        _drift(evidence.baseline),
        "## Input",
        _input(record),
        "## Recipe",
        _recipe(run),
        "## Licence",
        f"Weights: {record.licence.weights}. Data: {record.licence.data}.",
    )
    return "\n\n".join(sections) + "\n"


def render_import_card(
    *, name: str, origin: str, licence: str, variants: Mapping[Precision, Variant], left_out: Mapping[Precision, str],
    sizes: Mapping[str, int],
) -> str:  # fmt: skip
    """The card of a model from elsewhere, of whose training nothing is known."""
    sections = (
        f"# {name}",
        f"Imported from {origin}. Licence: {licence}.",
        "## Precisions",
        precisions(variants, left_out, sizes),
    )
    return "\n\n".join(sections) + "\n"


def precisions(
    variants: Mapping[Precision, Variant], left_out: Mapping[Precision, str], sizes: Mapping[str, int]
) -> str:
    """What each published precision reaches as served, and why others are left out."""
    rows = ((str(precision), *_cells(variant, sizes)) for precision, variant in variants.items())
    head = (
        "precision",
        "bytes",
        "accuracy",
        "skew, points",
        "answer of fp32",
        "largest difference",
        "golden tolerance",
    )
    notes = (f"{precision} is left out: {reason}." for precision, reason in left_out.items())
    return "\n\n".join((_table(head, rows), PRECISIONS_NOTE, *notes))


def _cells(variant: Variant, sizes: Mapping[str, int]) -> tuple[str, ...]:
    return (
        f"{sizes[variant.file]:,}",
        f"{variant.metrics.accuracy:.2%}",
        "–" if variant.skew is None else f"{variant.skew * 100:+.2f}",
        "–" if variant.comparison is None else f"{variant.comparison.agreement:.2%}",
        f"{variant.max_abs_difference:.2g}",
        f"{variant.golden_tolerance:.2g}",
    )


def _front_matter(record: RunRecord) -> str:
    return "\n".join(
        (
            "---",
            f"license: {record.licence.weights.lower()}",
            "pipeline_tag: image-classification",
            "library_name: onnx",
            f"datasets: [{record.data.name}]",
            "metrics: [accuracy, f1]",
            "---",
        )
    )


def _introduction(record: RunRecord) -> str:
    return (
        f"A `{record.family}` with {record.parameters:,} parameters and {record.macs:,} multiply-accumulates for one "
        f"image. It tells {len(record.labels)} labels apart: {', '.join(record.labels)}."
    )


def _data(record: RunRecord) -> str:
    sizes = ", ".join(f"{count:,} {split}" for split, count in record.data.splits.items())
    trial = "" if record.data.limit is None else f"\n\nA trial: trained on {record.data.limit:,} images only."
    return f"`{record.data.name}`, SHA-256 `{record.data.sha256}`; images: {sizes}.{trial}"


def _results(metrics: Metrics, calibration: Calibration) -> str:
    low, high = wilson_interval(metrics.accuracy, metrics.images)
    lines = [
        f"Measured on the {metrics.images:,} images of the {metrics.split} split, as files on the service's own way.\n",
        f"- accuracy {metrics.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})",
        f"- macro-F1 {metrics.macro_f1:.2%}",
        f"- calibration error {metrics.ece:.2%}, with temperature {calibration.temperature:.4f}",
    ]
    if calibration.unknown_threshold is not None and calibration.coverage is not None:
        lines.append(
            f"- answers below {calibration.unknown_threshold:.2%} are marked unknown; {calibration.coverage:.2%} of "
            "the validation images reach that"
        )
    return "\n".join(lines)


def _drift(baseline: Baseline) -> str:
    return (
        f"The service compares live answers and confidences with those for the {baseline.images:,} validation images, "
        "whose shares the manifest holds (`baseline`)."
    )


def _label_table(metrics: Metrics) -> str:
    rows = (
        (row.label, f"{row.precision:.2%}", f"{row.recall:.2%}", f"{row.f1:.2%}", f"{row.support:,}")
        for row in metrics.per_label
    )
    return _table(("label", "precision", "recall", "F1", "images"), rows)


def _input(record: RunRecord) -> str:
    preprocessing = encode(record.preprocessing)
    rows = ((key, f"`{json.dumps(value)}`") for key, value in preprocessing.items() if value is not None)
    return _table(("preprocessing", "value"), rows)


def _recipe(run: Run) -> str:
    record = run.record
    recipe = json.dumps(encode(record.recipe), indent=2, ensure_ascii=False)
    versions = ", ".join(f"{tool} {version}" for tool, version in record.versions.items())
    return (
        f"`{record.name}`, seed {record.seed}, {record.epochs} epochs in {record.train_seconds:.0f} s; {versions}. "
        f"Digest of the run: `{run.digest}`.\n\n```json\n{recipe}\n```"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    left, *right = head
    lines = [f"| {left} | {' | '.join(right)} |", f"|---|{'---:|' * len(right)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def variant_lines(manifest: Manifest) -> Iterator[str]:
    """One for each precision that was asked for."""
    for precision, variant in manifest.variants.items():
        size = manifest.files[variant.file].size_bytes
        line = f"{precision}: {size:,} bytes, accuracy {variant.metrics.accuracy:.2%} on {variant.metrics.split}"
        if variant.skew is not None:
            line += f", skew {variant.skew * 100:+.2f} points"
        if variant.comparison is not None:
            line += f", {variant.comparison.images_per_second:,.0f} images/s on {variant.comparison.processor}"
        yield line
    for precision, reason in manifest.left_out.items():
        yield f"{precision}: left out, {reason}"

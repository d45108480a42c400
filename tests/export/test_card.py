"""The model card (export/card.py)."""

import json
import re
from dataclasses import replace

from export.card import render_card
from export.draft import Draft
from export.evidence import Evidence
from service.models.manifest import Precision
from training.checkpoint import Run


def test_says_what_was_trained_on_what(draft: Draft, run: Run) -> None:
    """Recipe, data with its digest, licence."""
    card = draft.files["card.md"].decode()
    assert run.record.data.sha256 in card
    assert run.digest in card
    assert "29,034 parameters" in card
    assert "550 train, 50 validation, 300 test" in card
    assert run.record.licence.data in card


def test_the_recipe_can_be_read_back(draft: Draft) -> None:
    """It is JSON in a block of its own."""
    (block,) = re.findall(r"```json\n(.*?)\n```", draft.files["card.md"].decode(), re.DOTALL)
    recipe = json.loads(block)
    assert (recipe["name"], recipe["epochs"]) == ("fashion_cnn", 8)


def test_has_a_row_for_each_label(draft: Draft, evidence: Evidence) -> None:
    """With the figures of the manifest."""
    card = draft.files["card.md"].decode()
    for row in evidence.metrics.per_label:
        assert f"| {row.label} | {row.precision:.2%} | {row.recall:.2%} | {row.f1:.2%} | {row.support} |" in card
    assert f"- accuracy {evidence.metrics.accuracy:.2%}" in card


def test_has_a_row_for_each_precision(draft: Draft) -> None:
    """What it reaches as served, the skew, and how closely it must be reproduced."""
    card = draft.files["card.md"].decode()
    fp32 = draft.manifest.variants[Precision.FP32]
    size = draft.manifest.files["model.onnx"].size_bytes
    (row,) = [line for line in card.splitlines() if line.startswith("| fp32 |")]
    assert f"| {size:,} | {fp32.metrics.accuracy:.2%} | +0.00 |" in row
    assert row.endswith(f"| {fp32.golden_tolerance:.2g} |")


def test_says_what_is_left_out_and_why(run: Run, evidence: Evidence) -> None:
    """In the words of the command."""
    without = replace(evidence, left_out={Precision.INT8: "it loses 3 points"})
    assert "int8 is left out: it loses 3 points." in rendered(run, without)


def test_states_the_threshold_with_its_coverage_and_the_baseline(draft: Draft, evidence: Evidence) -> None:
    """For whoever wonders about `unknown` and about drift."""
    card = draft.files["card.md"].decode()
    calibration = evidence.calibration
    assert f"below {calibration.unknown_threshold:.2%} are marked unknown; {calibration.coverage:.2%} of the" in card
    assert "those for the 50 validation images" in card


def test_a_label_with_a_bar_does_not_break_the_table(run: Run, evidence: Evidence) -> None:
    """It is escaped."""
    first, *others = evidence.metrics.per_label
    rows = (first.model_copy(update={"label": "either|or"}), *others)
    metrics = evidence.metrics.model_copy(update={"per_label": rows})
    assert "| either\\|or |" in rendered(run, replace(evidence, metrics=metrics))


def test_a_trial_is_called_one(run: Run, evidence: Evidence) -> None:
    """A run that saw only part of the training images."""
    trial = replace(run, record=replace(run.record, data=replace(run.record.data, limit=200)))
    assert "trained on 200 images only" in rendered(trial, evidence)
    assert "A trial" not in rendered(run, evidence)


def rendered(run: Run, evidence: Evidence) -> str:
    return render_card(run, evidence, name="clothes", variants={}, sizes={})

"""The model card (export/card.py)."""

import json
import re
from dataclasses import replace

from export.assemble import Evidence
from export.card import render_card
from export.draft import Draft
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


def test_a_label_with_a_bar_does_not_break_the_table(run: Run, evidence: Evidence) -> None:
    """It is escaped."""
    first, *others = evidence.metrics.per_label
    rows = (first.model_copy(update={"label": "either|or"}), *others)
    metrics = evidence.metrics.model_copy(update={"per_label": rows})
    assert "| either\\|or |" in render_card(run, metrics, evidence.calibration, name="clothes")


def test_a_trial_is_called_one(run: Run, evidence: Evidence) -> None:
    """A run that saw only part of the training images."""
    trial = replace(run, record=replace(run.record, data=replace(run.record.data, limit=200)))
    assert "trained on 200 images only" in render_card(trial, evidence.metrics, evidence.calibration, name="clothes")
    assert "A trial" not in render_card(run, evidence.metrics, evidence.calibration, name="clothes")

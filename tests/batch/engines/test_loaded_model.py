"""The service's model in this process: proved, or refused with what to do."""

from pathlib import Path

import pytest

from batch.engines.build import EngineSettings
from batch.engines.loaded_model import LoadedModel, ModelChoice, choice_of, open_package
from batch.errors import ModelRefused
from service.engine.providers import Device
from service.models.variant import PrecisionChoice
from tests.service.packages import PackageRecipe, golden


def load(choice: ModelChoice) -> LoadedModel:
    return LoadedModel(choice, threads=1, batch_size=4, max_image_bytes=10**6)


def test_facts_of_a_loaded_model(models: Path) -> None:
    model = load(ModelChoice(models=str(models)))
    facts = model.facts
    assert (facts.name, facts.version, facts.labels) == ("thirds", 1, ("left", "middle", "right"))
    assert (facts.precision, facts.provider, facts.embedding_size) == ("fp32", "CPUExecutionProvider", 3)
    assert facts.digest == open_package(ModelChoice(models=str(models))).digest
    model.close()


def test_a_model_that_disagrees_with_its_golden_samples_is_refused(tmp_path: Path) -> None:
    PackageRecipe(golden=golden(shift=1.0)).write(tmp_path)
    with pytest.raises(ModelRefused, match="disagree with training"):
        load(ModelChoice(models=str(tmp_path)))


def test_which_version_is_taken(tmp_path: Path) -> None:
    """The highest; the alias stable comes before it, and what is asked for before that."""
    for version in (1, 2, 3):
        PackageRecipe(version=version).write(tmp_path)
    assert open_package(ModelChoice(models=str(tmp_path))).manifest.version == 3
    (tmp_path / "thirds" / "aliases.json").write_text('{"stable": 2, "old": 1}')
    assert open_package(ModelChoice(models=str(tmp_path))).manifest.version == 2
    assert open_package(ModelChoice(models=str(tmp_path), alias="old")).manifest.version == 1
    assert open_package(ModelChoice(models=str(tmp_path), version=3)).manifest.version == 3


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (ModelChoice(name="fourths"), "has no model fourths, only thirds"),
        (ModelChoice(version=9), "has no version 9, only 1"),
        (ModelChoice(alias="canary"), "has no alias canary and no other"),
        (ModelChoice(precision=PrecisionChoice.INT8), "has no int8, only fp32; choose with --precision"),
        (ModelChoice(trusted_keys="/nowhere.pub"), "trusted keys"),
    ],
)
def test_what_is_not_there_is_said(models: Path, choice: ModelChoice, words: str) -> None:
    from dataclasses import replace

    with pytest.raises(ModelRefused, match=words):
        load(replace(choice, models=str(models)))


def test_a_model_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    PackageRecipe(name="one").write(tmp_path)
    PackageRecipe(name="two").write(tmp_path)
    with pytest.raises(ModelRefused, match="has the models one, two; name one with --model"):
        open_package(ModelChoice(models=str(tmp_path)))
    with pytest.raises(ModelRefused, match="cannot be read"):
        open_package(ModelChoice(models=str(tmp_path / "away")))


def test_the_words_of_the_command() -> None:
    choice = choice_of(EngineSettings(models="m", model="a", alias="b", precision="int8", device="cpu"))
    assert choice == ModelChoice(models="m", name="a", alias="b", precision=PrecisionChoice.INT8, device=Device.CPU)

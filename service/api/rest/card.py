"""`card` of a model over HTTP: what its package says of it, measured when it was made."""

from fastapi import APIRouter

from service.api.recogniser import Recogniser
from service.api.rest.schemas import Schema
from service.api.rest.selection import MODEL, VERSION, Selected
from service.models.live_model import LiveModel


class LabelCard(Schema):
    """One label against all others."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Crop(Schema):
    """How a picture becomes the model's input."""

    height: int
    width: int
    resize: str
    """stretch: both sides; shorter_side: that one to `resize_to`, then a crop from the centre."""
    resize_to: int | None = None


class Card(Schema):
    """What the model's package says about the model: measured when it was made, through the service's own path."""

    name: str
    version: int
    digest: str
    family: str
    precision: str
    input: Crop
    parameters: int
    macs: int
    """Multiply-accumulates for one image."""
    licence: str
    created: str
    data: str
    """What it was trained on."""
    split: str
    """What it was measured on."""
    images: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error."""
    temperature: float
    unknown_threshold: float | None = None
    labels: list[LabelCard]
    confusion: list[list[int]]
    """Rows are true labels, columns predicted ones; empty where it was not recorded."""


def add_card(router: APIRouter, recogniser: Recogniser) -> None:
    """Adds the calls to a router."""

    @router.get(MODEL + "/card", response_model_exclude_none=True)
    @router.get(VERSION + "/card", response_model_exclude_none=True)
    async def card(selected: Selected) -> Card:
        """Accuracy, a table of the labels, the confusion matrix where there is one, and where it all comes from."""
        return card_of(selected.live(recogniser))


def card_of(live: LiveModel) -> Card:
    manifest = live.manifest
    metrics = manifest.variant(live.precision).metrics
    return Card(
        name=manifest.name,
        version=manifest.version,
        digest=live.digest,
        family=manifest.family,
        precision=live.precision,
        input=Crop.model_validate(manifest.input.model_dump(include=set(Crop.model_fields))),
        parameters=manifest.parameters,
        macs=manifest.macs,
        licence=manifest.licence,
        created=manifest.created.isoformat(),
        data=manifest.data.name,
        split=metrics.split,
        images=metrics.images,
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        ece=metrics.ece,
        temperature=manifest.calibration.temperature,
        unknown_threshold=manifest.calibration.unknown_threshold,
        labels=[LabelCard.model_validate(row.model_dump()) for row in metrics.per_label],
        confusion=[list(row) for row in metrics.confusion],
    )

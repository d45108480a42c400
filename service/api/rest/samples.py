"""`samples` of a model over HTTP: pictures to try it on, for people who have none at hand."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from service.api.recogniser import Recogniser
from service.api.rest.schemas import Schema
from service.api.rest.selection import MODEL, VERSION, Selected
from service.engine.decode import sniff
from service.errors import ArgumentInvalid
from service.models.samples import MOST_SAMPLES


class Sample(Schema):
    """A picture to try the model on."""

    index: int
    label: str
    """What it shows."""
    path: str
    """Where the picture is, relative to the server's root."""


class SamplesAnswer(Schema):
    """Golden samples of the model: at most 24, spread evenly over its labels."""

    samples: list[Sample]


PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "description": "An image file"}
}
Index = Annotated[int, Path(ge=0, le=MOST_SAMPLES)]


class Picture(Response):
    """An image file; says nothing of its kind in the description, since each may be of another."""

    media_type = None


def add_samples(router: APIRouter, recogniser: Recogniser) -> None:
    """Adds the calls to a router."""

    @router.get(MODEL + "/samples")
    @router.get(VERSION + "/samples")
    async def list_samples(selected: Selected) -> SamplesAnswer:
        """What pictures there are."""
        live = selected.live(recogniser)
        root = VERSION.format(model=live.manifest.name, version=live.manifest.version)
        return SamplesAnswer(
            samples=[
                Sample(index=index, label=sample.label, path=f"{root}/samples/{index}")
                for index, sample in enumerate(live.samples)
            ]
        )

    @router.get(MODEL + "/samples/{index}", response_class=Picture, responses=PICTURE)
    @router.get(VERSION + "/samples/{index}", response_class=Picture, responses=PICTURE)
    async def get_sample(selected: Selected, index: Index) -> Response:
        """One picture, as the file that it is."""
        live = selected.live(recogniser)
        if index >= len(live.samples):
            raise ArgumentInvalid(f"index: there are {len(live.samples)} samples, from 0.", field="index")
        image = live.samples[index].image
        return Picture(image, media_type=f"image/{sniff(image).lower()}", headers={"Cache-Control": "max-age=3600"})

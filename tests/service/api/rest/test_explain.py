""":explain over HTTP."""

import base64
import io

import httpx
import numpy as np
from PIL import Image

from tests.service.packages import encode, picture


async def test_a_heat_map_comes_raw_and_as_a_picture(client: httpx.AsyncClient) -> None:
    """The bright third is what speaks for its label."""
    answer = (await client.post("/v1/models/thirds:explain", content=encode(picture(2)))).json()
    values = np.array(answer["values"]).reshape(answer["rows"], answer["columns"])
    assert answer["method"] == "OCCLUSION"
    assert answer["prediction"]["label"] == "right"
    assert values[:, 9:].min() > values[:, :3].max()
    with Image.open(io.BytesIO(base64.b64decode(answer["overlay_png"]))) as overlay:
        assert overlay.format == "PNG"


async def test_a_label_can_be_named(client: httpx.AsyncClient) -> None:
    """One that the model does not know is refused."""
    image = encode(picture(2))
    named = await client.post("/v1/models/thirds:explain?label=left", content=image)
    assert named.json()["prediction"]["label"] == "left"
    unknown = await client.post("/v1/models/thirds:explain?label=cat", content=image)
    assert (unknown.status_code, unknown.json()["error"]["details"]) == (400, {"field": "label"})

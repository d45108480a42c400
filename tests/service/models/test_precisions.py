"""Several precisions of one version at once (service/models/precisions.py)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from recognition.oip import open_inference_pb2 as oip
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from recognition.v1 import recognition_pb2 as pb

from service.models.manifest import Precision
from service.models.variant import PrecisionChoice
from tests.service.api.house import classify
from tests.service.api.refusals import refused
from tests.service.in_process import InProcess, serving
from tests.service.packages import GAIN, PackageRecipe, encode, explanation_graph, graph, picture

IMAGE = encode(picture(2))
OTHERS = {Precision.FP16: graph(multiplier=2 * GAIN), Precision.INT8: graph(multiplier=1.1 * GAIN)}
"""fp16 misses the golden logits by far; int8 misses them by as much as it may."""


@pytest.fixture
def several(tmp_path: Path) -> Path:
    PackageRecipe(others=OTHERS, explanation=explanation_graph()).write(tmp_path)
    return tmp_path


@pytest.fixture
async def both(several: Path) -> AsyncIterator[InProcess]:
    """Serves all that the golden samples confirm: fp32, which is asked for, and int8."""
    async with serving(several, precision=PrecisionChoice.FP32, serve_precisions="all", http=True) as running:
        yield running


def best(response: pb.ClassifyResponse) -> float:
    return response.classification.predictions[0].probability


async def test_a_caller_chooses_among_those_that_agree(both: InProcess) -> None:
    """Each gives its own answer and says who gave it; one that disagrees is left out, with a warning."""
    assert both.live().precisions == (Precision.FP32, Precision.INT8)
    default = await both.stub.Classify(classify(IMAGE))
    named = await both.stub.Classify(classify(IMAGE, precision="fp32"))
    int8 = await both.stub.Classify(classify(IMAGE, precision="int8"))
    assert (default.model.precision, named.model.precision, int8.model.precision) == ("fp32", "fp32", "int8")
    assert best(default) == best(named) < best(int8)
    (warning,) = both.events("precision refused")
    assert (warning["model"], warning["precision"]) == ("thirds", "fp16")
    assert "disagree with training" in warning["reason"]


async def test_every_call_takes_a_precision(both: InProcess) -> None:
    """Many images, the stream, embeddings and heat maps, whose maps are those of the one graph there is for them."""
    int8 = pb.ModelSelector(precision="int8")
    batch = await both.stub.BatchClassify(pb.BatchClassifyRequest(model=int8, images=[IMAGE]))
    embedded = await both.stub.Embed(pb.EmbedRequest(model=int8, images=[IMAGE]))
    explained = await both.stub.Explain(pb.ExplainRequest(model=int8, image=IMAGE))
    requests = [
        pb.ClassifyStreamRequest(id="1", image=IMAGE, model=int8),
        pb.ClassifyStreamRequest(id="2", image=IMAGE),
    ]
    streamed = [answer async for answer in both.stub.ClassifyStream(iter(requests))]
    served = [batch.model, embedded.model, explained.model, *(answer.model for answer in streamed)]
    assert [model.precision for model in served] == ["int8"] * 5
    plain = await both.stub.Explain(pb.ExplainRequest(image=IMAGE))
    assert plain.method == explained.method == pb.EXPLANATION_METHOD_CLASS_ACTIVATION
    assert plain.values == explained.values
    assert plain.prediction.probability < explained.prediction.probability


async def test_models_say_which_precisions_answer(both: InProcess) -> None:
    """The default first; asked for one of them, GetModel describes it."""
    (listed,) = (await both.stub.ListModels(pb.ListModelsRequest())).models
    assert (listed.precision, list(listed.precisions)) == ("fp32", ["fp32", "int8"])
    int8 = (await both.stub.GetModel(pb.GetModelRequest(model=pb.ModelSelector(precision="int8")))).model
    assert (int8.precision, list(int8.precisions)) == ("int8", ["fp32", "int8"])
    assert int8.golden_max_abs_difference > listed.golden_max_abs_difference


@pytest.mark.parametrize(
    ("precision", "code", "reason"),
    [("fp16", "NOT_FOUND", "PRECISION_NOT_FOUND"), ("fp64", "INVALID_ARGUMENT", "ARGUMENT_INVALID")],
)
async def test_what_does_not_answer_is_refused(both: InProcess, precision: str, code: str, reason: str) -> None:
    """With those that do."""
    refusal = await refused(both.stub.Classify(classify(IMAGE, precision=precision)))
    assert (refusal.code, refusal.reason) == (code, reason)
    assert "fp32, " in refusal.message


async def test_the_other_doors_take_it_too(both: InProcess) -> None:
    """The query over HTTP, a request parameter in the Open Inference Protocol."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{both.http_port}") as client:
        int8 = (await client.post("/v1/models/thirds:classify?precision=int8", content=IMAGE)).json()
        missing = await client.post("/v1/models/thirds:classify?precision=fp16", content=IMAGE)
        card = (await client.get("/v1/models/thirds/card?precision=int8")).json()
        wrong = await client.get("/v1/models/thirds?precision=fp64")
    assert int8["model"]["precision"] == card["precision"] == "int8"
    assert (missing.status_code, missing.json()["error"]["reason"]) == (404, "PRECISION_NOT_FOUND")
    assert (wrong.status_code, wrong.json()["error"]["reason"]) == (400, "ARGUMENT_INVALID")
    pixels = np.stack([picture(2)])[..., np.newaxis]
    tensor = oip.ModelInferRequest.InferInputTensor(name="image", datatype="UINT8", shape=pixels.shape)
    request = oip.ModelInferRequest(model_name="thirds", inputs=[tensor], raw_input_contents=[pixels.tobytes()])
    infer = GRPCInferenceServiceStub(both.channel).ModelInfer
    fp32 = np.frombuffer((await infer(request)).raw_output_contents[0], dtype="<f4")
    request.parameters["precision"].string_param = "int8"
    assert np.frombuffer((await infer(request)).raw_output_contents[0], dtype="<f4") == pytest.approx(1.1 * fp32)


async def test_by_default_only_the_chosen_one_is_loaded(several: Path) -> None:
    """No other session, no other thread; asking for another says how to have it."""
    async with serving(several, precision=PrecisionChoice.FP32) as service:
        assert service.live().others == ()
        refusal = await refused(service.stub.Classify(classify(IMAGE, precision="int8")))
        assert "serve_precisions = all" in refusal.message

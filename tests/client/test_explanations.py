"""Heat maps, with both clients and from the command line."""

import json
from pathlib import Path

import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import AsyncRecognitionClient, ExplanationMethod, ImageRejected, RecognitionClient
from recognition_client.explanations import explanation

from tests.client.fake_service import FakeService
from tests.client.test_main import run


def test_a_heat_map_comes_row_by_row(client: RecognitionClient, service: FakeService) -> None:
    """With its picture, its label and how it was made."""
    found = client.explain(b"shoe", label="Sneaker", model="m", alias="canary")
    assert found.values == ((0.0, 0.25, 0.5), (-1.0, -2.0, -4.0))
    assert found.overlay_png == b"a picture of shoe"
    assert (found.prediction.label, found.method) == ("Sneaker", ExplanationMethod.OCCLUSION)
    assert (found.model.version, found.times.batch_size) == (3, 7)
    chosen = pb.ModelSelector(name="m", alias="canary")
    assert service.requests == [pb.ExplainRequest(model=chosen, image=b"shoe", label="Sneaker")]


async def test_the_asyncio_client_gives_the_same(client: RecognitionClient, aio_client: AsyncRecognitionClient) -> None:
    """And raises the same for a bad image."""
    assert await aio_client.explain(b"shoe") == client.explain(b"shoe")
    with pytest.raises(ImageRejected):
        await aio_client.explain(b"bad")


def test_a_method_that_is_new_to_this_client_is_unspecified() -> None:
    """The map is there all the same."""
    answer = pb.ExplainResponse(method=7, values=[1.0], rows=1, columns=1)  # type: ignore[arg-type] # not yet a method
    assert (explanation(answer).method, explanation(answer).values) == (ExplanationMethod.UNSPECIFIED, ((1.0,),))


def test_the_command_writes_the_picture(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was told to, and else beside the working directory's other files; one line says what is in it."""
    monkeypatch.chdir(tmp_path)
    image, output = tmp_path / "shoe.png", tmp_path / "map.png"
    image.write_bytes(b"shoe")
    done = run(target, "explain", str(image), "--label", "Sneaker", "--output", str(output))
    assert (done.exit_code, done.stdout) == (0, f"{output}: Sneaker 75.00%, by occlusion, fashion_cnn version 3\n")
    assert output.read_bytes() == b"a picture of shoe"
    assert run(target, "explain", str(image)).exit_code == 0
    assert (tmp_path / "shoe-explained.png").read_bytes() == b"a picture of shoe"


def test_the_command_reports_as_json(target: str, tmp_path: Path) -> None:
    """The map itself, and where its picture is."""
    image, output = tmp_path / "shoe.png", tmp_path / "map.png"
    image.write_bytes(b"shoe")
    record = json.loads(run(target, "explain", str(image), "--output", str(output), "--json").stdout)
    assert record["output"] == str(output)
    assert record["values"] == [[0.0, 0.25, 0.5], [-1.0, -2.0, -4.0]]
    assert record["method"] == "OCCLUSION"


def test_what_fails_is_one_line(target: str, tmp_path: Path) -> None:
    """A bad image, one that is not there, an output that cannot be written; exit code 1 and no traceback."""
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(b"good")
    bad.write_bytes(b"bad")
    for arguments, part in (
        ([str(bad)], "IMAGE_UNREADABLE"),
        ([str(tmp_path / "missing.png")], "No such file"),
        ([str(good), "--output", str(tmp_path / "no" / "map.png")], "No such file"),
    ):
        done = run(target, "explain", *arguments)
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1
        assert part in done.stderr

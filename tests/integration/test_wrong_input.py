"""Wrong input at the running service: each case has its code and reason, quickly, and the service stays up."""

import io
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recognition_client import ArgumentInvalid, ImageRejected, ModelNotFound, RecognitionClient, RecognitionError

from tests.integration.running_service import ROOT, RunningService


def png_header(width: int, height: int) -> bytes:
    """A PNG file that announces a size and brings no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


WRONG_IMAGES = {
    "text.png": (b"This is a text file with the wrong name.\n", "IMAGE_UNREADABLE"),
    "empty.png": (b"", "IMAGE_UNREADABLE"),
    "huge.png": (png_header(20_000, 20_000), "IMAGE_TOO_LARGE"),
    "truncated.jpg": (truncated_jpeg(), "IMAGE_UNREADABLE"),
    "scan.tiff": (b"II*\x00" + bytes(100), "IMAGE_UNSUPPORTED"),
}


@pytest.mark.parametrize("name", WRONG_IMAGES)
def test_wrong_images_get_their_reason_within_a_second(service: RunningService, name: str) -> None:
    """INVALID_ARGUMENT with the reason of the table, in less than a second: the best of three, on a busy machine."""
    content, reason = WRONG_IMAGES[name]
    seconds = []
    with RecognitionClient(service.target) as client:
        client.health()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(ImageRejected) as refused:
                client.classify(content)
            seconds.append(time.monotonic() - began)
    assert min(seconds) < 1.0
    assert refused.value.reason == reason
    assert refused.value.code.name == "INVALID_ARGUMENT"


@pytest.fixture(scope="module")
def refused(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, subprocess.CompletedProcess[str]]":
    """The command for each of the images, a few at a time: most of it is Python's start."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, (content, _) in WRONG_IMAGES.items():
        (folder / name).write_bytes(content)
    with ThreadPoolExecutor(3) as at_once:
        done = at_once.map(lambda name: classify(service, str(folder / name)), WRONG_IMAGES)
        return dict(zip(WRONG_IMAGES, done, strict=True))


@pytest.mark.parametrize("name", WRONG_IMAGES)
def test_the_command_line_prints_one_clear_line(
    refused: "dict[str, subprocess.CompletedProcess[str]]", name: str
) -> None:
    """Exit code 1, the file's name and the reason on one line, no traceback."""
    done = refused[name]
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert name in done.stderr
    assert WRONG_IMAGES[name][1] in done.stderr


def test_an_unknown_model_is_not_found(service: RunningService, tmp_path: Path) -> None:
    """NOT_FOUND with MODEL_NOT_FOUND, and one line of the command that ends with exit code 1."""
    with RecognitionClient(service.target) as client, pytest.raises(ModelNotFound) as refused:
        client.classify(png_header(28, 28), model="no_such_model")
    assert (refused.value.code.name, refused.value.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")
    path = tmp_path / "a.png"
    path.write_bytes(png_header(28, 28))
    done = classify(service, str(path), "--model", "no_such_model")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_wrong_arguments_are_named(service: RunningService) -> None:
    """A field that means nothing is refused by its name."""
    with RecognitionClient(service.target) as client, pytest.raises(ArgumentInvalid) as refused:
        client.classify(png_header(28, 28), min_confidence=2.0)
    assert "min_confidence" in refused.value.message


def test_the_service_outlives_everything(service: RunningService) -> None:
    """After every wrong image, many times over, a good one is answered."""
    with RecognitionClient(service.target) as client:
        for content, _ in [*WRONG_IMAGES.values()] * 20:
            with pytest.raises(RecognitionError):
                client.classify(content)
        buffer = io.BytesIO()
        Image.new("L", (28, 28), 100).save(buffer, "PNG")
        assert client.classify(buffer.getvalue()).predictions
    assert service.process.poll() is None


def classify(service: RunningService, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "recognition_client", "classify", *arguments, "--server", service.target]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT / "client", check=False)

"""docs/client.md: every snippet runs, as it is written, against a running service."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest
from google.protobuf import json_format
from PIL import Image
from recognition.v1 import recognition_pb2 as pb

from tests.integration.conformance.conftest import PYTHON as TRITON
from tests.integration.running_service import ROOT, RunningService

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
SNIPPETS: list[tuple[str, str]] = re.findall(r"^```([a-z ]+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PYTHON_SNIPPETS = [text for kind, text in SNIPPETS if kind == "python"]
TRITON_SNIPPETS = [text for kind, text in SNIPPETS if kind == "python tritonclient"]
LINES = [line for kind, text in SNIPPETS if kind == "sh" for line in text.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("recognition ")]
CURLS = [line for line in LINES if line.startswith("curl ")]
GRPCURLS = [line for line in LINES if line.startswith("grpcurl ")]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the pictures that the page speaks of."""
    return furnish(tmp_path)


def furnish(folder: Path) -> Path:
    for place, name in enumerate(("shoe.png", "bag.jpg", "coat.png")):
        Image.new("L", (56, 56), 60 * place + 40).save(folder / name)
    return folder


Printed: TypeAlias = "dict[str, Future[str]]"


@pytest.fixture(scope="module")
def printed(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    """What each snippet that starts a Python says, in a folder of its own. A few at a time: most of it is the start."""

    def run_here(*command: str, stdin: str = "") -> str:
        return run(service, furnish(tmp_path_factory.mktemp("here")), *command, stdin=stdin)

    with ThreadPoolExecutor(3) as at_once:
        snippets = {
            text: at_once.submit(run_here, sys.executable, "-W", "error", "-", stdin=text) for text in PYTHON_SNIPPETS
        }
        commands = {
            line: at_once.submit(
                run_here, "bash", "-c", f"{sys.executable} -m recognition_client {line.partition(' ')[2]}"
            )
            for line in COMMANDS
        }
        yield snippets | commands


def run(service: RunningService, here: Path, *command: str, stdin: str = "") -> str:
    """What it prints; the page's addresses are those of the service."""
    addresses = {"http://localhost:8000": service.url, "localhost:8001": service.target}
    for written, real in addresses.items():
        command = tuple(part.replace(written, real) for part in command)
        stdin = stdin.replace(written, real)
    done = subprocess.run(command, cwd=here, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_all_of_them() -> None:
    """None is passed over because it is fenced in another way."""
    assert (len(PYTHON_SNIPPETS), len(TRITON_SNIPPETS)) == (8, 1)
    assert (len(COMMANDS), len(CURLS), len(GRPCURLS)) == (4, 5, 1)
    assert len(SNIPPETS) == PAGE.count("\n```") / 2


@pytest.mark.parametrize("text", PYTHON_SNIPPETS, ids=lambda text: str(PYTHON_SNIPPETS.index(text)))
def test_python_runs(printed: Printed, text: str) -> None:
    """And says something."""
    assert printed[text].result()


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: line.split()[1])
def test_the_command_runs(printed: Printed, line: str) -> None:
    """Exit code 0."""
    assert printed[line].result()


@pytest.mark.parametrize("line", CURLS, ids=lambda line: str(CURLS.index(line)))
def test_curl_gets_an_answer(service: RunningService, here: Path, line: str) -> None:
    """Of 2xx; JSON, or the file that it names."""
    answer = run(service, here, "bash", "-c", f"{line} --silent --show-error")
    if "--output" in line:
        assert b'"outputs"' in (here / "logits.bin").read_bytes()
    else:
        assert json.loads(answer)


@pytest.mark.parametrize("line", GRPCURLS)
def test_grpcurl_is_given_a_request_of_the_api(service: RunningService, here: Path, line: str) -> None:
    """The message is one of the method that the line names; the tool itself is seldom there."""
    words = run(service, here, "bash", "-c", f"grpcurl() {{ printf '%s\\n' \"$@\"; }}; {line}").splitlines()
    request = json_format.Parse(words[words.index("-d") + 1], pb.ClassifyRequest())
    assert request.model.name == "fashion_cnn"
    assert request.image == (here / "shoe.png").read_bytes()
    service_name, _, method = words[-1].rpartition("/")
    api = pb.DESCRIPTOR.services_by_name["RecognitionService"]
    assert service_name == api.full_name
    assert api.methods_by_name[method].input_type == pb.ClassifyRequest.DESCRIPTOR


@pytest.mark.parametrize("text", TRITON_SNIPPETS, ids=["classify"])
def test_tritons_client_runs(service: RunningService, here: Path, text: str) -> None:
    """In an environment of its own."""
    if not TRITON.exists():
        pytest.skip("tritonclient's environment is not there; `make conformance` creates it where packages can be had")
    assert len(run(service, here, str(TRITON), "-", stdin=text).splitlines()) == 3

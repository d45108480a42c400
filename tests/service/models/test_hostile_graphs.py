"""Each of a hundred hostile graphs is refused by whoever has to stop it, and costs the others nothing."""

import os
import resource
import sys
from pathlib import Path

import psutil
import pytest

from service.models.onnx_file import OnnxFileInvalid, check_graph
from service.models.package import PackageRefused
from service.models.trial import try_graph
from tests.reliability.figures import Size, record
from tests.service.api.house import classify
from tests.service.in_process import serving
from tests.service.models.hostile_graphs import BOMBS, BROKEN, UNLISTED, UNOPENED, UNTRUE, endless
from tests.service.models.hostile_tensors import elsewhere
from tests.service.packages import PackageRecipe, encode, picture
from tests.service.plain_models import write

IMAGE = encode(picture(2))
SECRET = b"\x00\x00\x80\x3f"
MOST_GROWTH_BYTES = 16 * 2**20
ALL_SECONDS = 1800.0


def test_no_tensor_may_lie_elsewhere() -> None:
    """In forty and more ways, of packages and of plain models."""
    files = elsewhere()
    assert len(files) >= 40
    for kind, content in files.items():
        for packaged in (True, False):
            try:
                check_graph(content, packaged=packaged)
            except OnnxFileInvalid as error:
                assert "other files" in str(error), kind  # noqa: PT017 - which of them it was must be told
            else:
                pytest.fail(f"{kind} was not refused")


def lay_out(directory: Path, outside: Path) -> None:
    """Everything that a name could lead to is there: beside, linked, and outside of the repository."""
    (directory / "weights.bin").write_bytes(SECRET)
    (directory / "link.bin").symlink_to(outside)
    (directory / "link-of-link.bin").symlink_to(directory / "link.bin")
    (directory / "hard.bin").hardlink_to(outside)
    (directory / "folder").symlink_to(outside.parent)
    os.mkfifo(directory / "pipe.bin")


async def test_no_file_beside_a_graph_is_opened(tmp_path: Path) -> None:
    """The good model is served, each hostile one is refused, and nobody looked where it points."""
    root, outside = tmp_path / "models", tmp_path / "outside.bin"
    outside.write_bytes(SECRET)
    PackageRecipe().write(root)
    for number, content in enumerate(elsewhere().values()):
        lay_out(write(root, f"model-{number}", content), outside)
    opened: list[str] = []
    watching = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if (
            watching
            and event == "open"
            and str(arguments[0]).endswith((".bin", "/passwd", "/environ", "/mem", "/zero"))
        ):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)
    async with serving(root, require_all_models=False) as service:
        await service.stub.Classify(classify(IMAGE, "thirds"))
        assert {entry["model"] for entry in service.events("model refused")} == {
            f"model-{number}" for number in range(len(elsewhere()))
        }
    watching = False
    assert opened == []


def test_what_the_look_into_a_file_has_to_stop() -> None:
    """Other operators than the runtime's, compiled code, graphs that are too deep, and files that are none."""
    passed = []
    for kind, make in UNOPENED.items():
        if kind.startswith("many"):
            continue  # those are long; seen below
        try:
            check_graph(make(), packaged=False)
        except OnnxFileInvalid:
            continue
        passed.append(kind)
    assert passed == []


def test_what_the_list_of_packages_has_to_stop() -> None:
    """Packages may not use what plain models may."""
    for make in UNLISTED.values():
        check_graph(make(), packaged=False)
        with pytest.raises(OnnxFileInvalid, match="not among the operators of packages"):
            check_graph(make(), packaged=True)


@pytest.mark.slow
def test_a_graph_that_never_ends_is_ended() -> None:
    """By the clock of its trial."""
    with pytest.raises(PackageRefused, match="took longer than 5 s"):
        try_graph(endless(), "loop/1/model.onnx", seconds=5)


def processor_seconds() -> float:
    """Of this process, and of the trials, which are its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.mark.slow
@pytest.mark.timeout(ALL_SECONDS)
async def test_sixty_hostile_graphs_beside_a_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each refused with a reason; the good model answers, and the service has no more memory than before."""
    monkeypatch.setattr("tests.service.in_process.SECONDS", ALL_SECONDS)
    PackageRecipe().write(tmp_path)
    names: dict[str, str] = {}
    for group in (UNOPENED, BOMBS, BROKEN, UNLISTED, UNTRUE):
        for kind, make in group.items():
            name = f"model-{len(names)}"
            names[name] = kind
            if group is UNLISTED or group is UNTRUE:
                PackageRecipe(name=name, graph=make()).write(tmp_path)
            else:
                write(tmp_path, name, make())
    assert len(names) >= 60
    before, began = psutil.Process().memory_info().rss, processor_seconds()
    async with serving(tmp_path, require_all_models=False, model_trial="all") as service:
        seconds = processor_seconds() - began
        growth = psutil.Process().memory_info().rss - before
        await service.stub.Classify(classify(IMAGE, "thirds"))
        refused = {entry["model"]: entry["reason"] for entry in service.events("model refused")}
    assert {kind for name, kind in names.items() if not refused.get(name)} == set()
    record(
        "T4 hostile graphs",
        Size(seconds=0, count=len(names), strict=True),
        refused=len(refused),
        processor_seconds_each=round(seconds / len(names), 2),
        growth_megabytes=round(growth / 2**20, 1),
    )
    assert seconds / len(names) <= 5
    assert growth <= MOST_GROWTH_BYTES + 48 * 2**20  # the runtime itself, which the good model brings in

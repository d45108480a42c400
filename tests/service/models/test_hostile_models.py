"""Models that mean harm: each is refused with the reason, the others are served, and nothing is read outside."""

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from service.engine.child import child_environment
from service.models import sessions, trial
from service.models.onnx_file import OnnxFileInvalid, check_graph
from service.models.package import PackageRefused
from service.models.trial import try_graph
from tests.service.api.house import classify
from tests.service.in_process import serving
from tests.service.models.hostile_models import REFUSED, branching, memory_bomb
from tests.service.packages import PackageRecipe, encode, graph, picture
from tests.service.plain_models import flattened

IMAGE = encode(picture(2))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("packaged", [True, False])
def test_a_hostile_graph_is_refused_unopened(kind: str, packaged: bool) -> None:
    """Within seconds, and without its size in memory again."""
    make, reason = REFUSED[kind]
    content = make()
    before, began = psutil.Process().memory_info().rss, time.process_time()
    with pytest.raises(OnnxFileInvalid, match=reason):
        check_graph(content, packaged=packaged)
    assert time.process_time() - began < 10
    assert psutil.Process().memory_info().rss - before < 256 * 2**20


def test_packages_are_held_to_a_list() -> None:
    """Control flow is not on it; plain models may have it."""
    check_graph(branching(), packaged=False)
    with pytest.raises(OnnxFileInvalid, match="'If'"):
        check_graph(branching(), packaged=True)
    check_graph(graph(), packaged=True)


async def test_the_server_goes_on(tmp_path: Path) -> None:
    """With the good model, whatever lies beside it; each refusal says why, and an inner path is not told."""
    PackageRecipe().write(tmp_path)
    for number, (kind, (make, _)) in enumerate(REFUSED.items()):
        if kind in {"a hundred thousand nodes", "a million fields"}:
            continue  # seen above
        place = tmp_path / f"plain-{number}" / "1"
        await asyncio.to_thread(place.mkdir, parents=True)
        await asyncio.to_thread((place / "model.onnx").write_bytes, make())
        PackageRecipe(name=f"package-{number}", graph=make()).write(tmp_path)
    async with serving(tmp_path, require_all_models=False) as service:
        await service.stub.Classify(classify(IMAGE))
        refused = service.events("model refused")
        assert len(refused) == 2 * (len(REFUSED) - 2)
        assert all(entry["reason"] for entry in refused)


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize("where", ["model", "version", "graph", "labels", "config", "pipe"])
async def test_links_out_of_the_repository_are_refused(tmp_path: Path, where: str) -> None:
    """Whatever is linked; what they lead to is neither read nor changed."""
    root, outside = tmp_path / "models", tmp_path / "outside"
    PackageRecipe().write(root)
    (outside / "1").mkdir(parents=True)
    (outside / "1" / "model.onnx").write_bytes(flattened())
    (outside / "secret.txt").write_text("secret-label\n", encoding="utf-8")
    plain = root / "plain"
    match where:
        case "model":
            link(plain, outside)
        case "version":
            link(plain / "1", outside / "1")
        case "graph":
            link(plain / "1" / "model.onnx", outside / "1" / "model.onnx")
        case "labels" | "config" | "pipe":
            (plain / "1").mkdir(parents=True)
            (plain / "1" / "model.onnx").write_bytes(flattened())
            if where == "pipe":
                os.mkfifo(plain / "1" / "labels.txt")
            else:
                link(plain / ("labels.txt" if where == "labels" else "config.pbtxt"), outside / "secret.txt")
    opened: list[str] = []
    watching = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(str(outside)):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)
    async with serving(root, require_all_models=False) as service:
        await service.stub.Classify(classify(IMAGE, "thirds"))
        (refused,) = service.events("model refused")
        assert refused["model"] == "plain"
        assert "secret" not in refused["reason"]
        assert str(tmp_path) not in refused["reason"]
    watching = False
    assert opened == []


async def test_links_inside_of_the_repository_are_followed(tmp_path: Path) -> None:
    """As a volume that Kubernetes fills is made of them; the root itself may be one."""
    real = tmp_path / "volume"
    PackageRecipe().write(real / "..data")
    link(real / "thirds", real / "..data" / "thirds")
    link(tmp_path / "models", real)
    async with serving(tmp_path / "models") as service:
        await service.stub.Classify(classify(IMAGE))


def test_a_good_graph_passes_its_trial() -> None:
    """A package's and a plain one."""
    try_graph(graph(), "good/1/model.onnx")


def test_a_graph_that_wants_too_much_memory_fails_its_trial() -> None:
    """It is named, with what was allowed."""
    with pytest.raises(PackageRefused, match=r"bomb/1/model\.onnx needs more than 1 GiB"):
        try_graph(memory_bomb(), "bomb/1/model.onnx", memory_bytes=2**30)


@pytest.mark.parametrize(
    ("crash", "reason"),
    [("import os; os.kill(os.getpid(), 11)", "SIGSEGV"), ("import time; time.sleep(100)", "took longer than 2 s")],
)
def test_what_breaks_the_runtime_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str, reason: str
) -> None:
    """A crash and an endless loop, by a runtime that is put before the real one."""
    (tmp_path / "onnxruntime.py").write_text(crash, encoding="utf-8")
    environment = child_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    monkeypatch.setattr(trial, "child_environment", lambda: environment)
    with pytest.raises(PackageRefused, match=reason):
        try_graph(graph(), "x/1/model.onnx", seconds=2 if "sleep" in crash else 100)


async def test_the_trial_is_part_of_a_load(tmp_path: Path) -> None:
    """Of packages where it is asked for, and of plain models by default."""
    PackageRecipe().write(tmp_path)
    place = tmp_path / "bomb" / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(memory_bomb())
    async with serving(tmp_path, require_all_models=False, model_trial="all") as service:
        await service.stub.Classify(classify(IMAGE, "thirds"))
        (refused,) = service.events("model refused")
        assert "bomb/1/model.onnx needs more than 2 GiB" in refused["reason"]


async def test_packages_are_tried_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the settings say `all`, and only there."""
    PackageRecipe().write(tmp_path)
    tried: list[str] = []
    monkeypatch.setattr(sessions, "try_graph", lambda _graph, where: tried.append(where))
    async with serving(tmp_path, model_trial="plain"):
        assert tried == []
    async with serving(tmp_path, model_trial="all"):
        assert tried == ["thirds/1/model.onnx"]

"""Fetching ends with verified files in the cache, or with nothing there and a sentence that helps."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from training.data.download import WAYS, download
from training.data.fashion_mnist import FULL, SAMPLE, holds_files, load
from training.data.search import SYSTEM_DIRECTORY
from training.errors import DataMissing

APT = "apt-get download dataset-fashion-mnist"


def copying(source: Path) -> Callable[[Path], Path]:
    """A way of fetching that copies a directory."""

    def copy(scratch: Path) -> Path:
        return Path(shutil.copytree(source, scratch / "fetched"))

    return copy


def failing(scratch: Path) -> Path:
    """A way that gets half a file and then loses the network."""
    (scratch / "half.gz").write_bytes(b"\x1f\x8b")
    raise OSError("Tried the mirror, got:\nconnection reset")


def test_verified_files_arrive_in_the_cache(sample_directory: Path, tmp_path: Path) -> None:
    """The first way that works is enough, and no scratch folder stays behind."""
    target = tmp_path / "cache" / "fashion-mnist"
    ways = {"network": failing, "copy": copying(sample_directory)}
    assert download(target, release=SAMPLE, ways=ways) == target
    assert load(SAMPLE, target).sha256 == SAMPLE.sha256
    assert [path.name for path in target.parent.iterdir()] == ["fashion-mnist"]


def test_files_of_another_release_never_reach_the_cache(sample_directory: Path, tmp_path: Path) -> None:
    """A mirror that serves something else is reported like a mirror that is down."""
    target = tmp_path / "fashion-mnist"
    with pytest.raises(DataMissing, match=r"copy: .* holds fashion-mnist-sample, not fashion-mnist"):
        download(target, release=FULL, ways={"copy": copying(sample_directory)})
    assert not target.exists()


def test_when_nothing_works_the_error_says_what_to_provide(tmp_path: Path) -> None:
    """Each way's failure in a line, then the choices."""
    with pytest.raises(DataMissing) as caught:
        download(tmp_path / "fashion-mnist", ways={"network": failing})
    text = str(caught.value)
    assert "network: connection reset" in text
    assert "dataset-fashion-mnist" in text
    assert "--data DIR" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not on this machine")
def test_the_debian_package_is_unpacked_without_installing_it(
    sample_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real package, handed out by a stand-in for apt-get that has lists only after `update`."""
    tree = tmp_path / "tree"
    shutil.copytree(sample_directory, tree / SYSTEM_DIRECTORY.relative_to("/"))
    (tree / "DEBIAN").mkdir()
    control = "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: none\nDescription: sample\n"
    (tree / "DEBIAN" / "control").write_text(control)
    package = tmp_path / "dataset-fashion-mnist_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True)
    apt_get = tmp_path / "bin" / "apt-get"
    apt_get.parent.mkdir()
    apt_get.write_text(
        f'#!/bin/sh\ncase "$*" in\n*update*) touch lists/fetched ;;\n'
        f'*download*) test -e lists/fetched && cp {package} . || {{ echo "E: no lists" >&2; exit 100; }} ;;\nesac\n'
    )
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt_get.parent}{os.pathsep}{os.environ['PATH']}")
    target = download(tmp_path / "cache" / "fashion-mnist", release=SAMPLE, ways={APT: WAYS[APT]})
    assert holds_files(target)


def test_without_the_debian_tools_that_way_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems get a reason instead of a crash."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DataMissing, match="needs apt-get and dpkg-deb"):
        download(tmp_path / "fashion-mnist", ways={APT: WAYS[APT]})

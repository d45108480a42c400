"""The images of training and batch jobs, built for real out of Debian packages, each doing its work in a container."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.ops.images import Image, built_image
from tests.service.packages import LABELS, PackageRecipe, encode, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built_image(tmp_path_factory.mktemp("image"), "batch") as built:
        yield built


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built_image(tmp_path_factory.mktemp("image"), "training") as built:
        yield built


def done(image: Image, command: Sequence[str], *volumes: str) -> str:
    """What the container prints; it ended with 0."""
    line = image.line([*image.config["Entrypoint"], *command], volumes=volumes)
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def of_container(path: Path) -> Path:
    """A directory that the container's user may write."""
    path.mkdir()
    os.chown(path, 10001, 10001)
    return path


class TestBatchImage:
    """recognition-batch in its container."""

    def test_it_has_all_engines_and_no_torch(self, batch: Image) -> None:
        packages = {path.name for path in batch.packages.iterdir()}
        assert {"onnxruntime", "ray", "pyarrow", "s3fs", "gcsfs"} <= packages
        assert not packages & {"torch", "pip"}
        assert batch.config["User"] == "10001:10001"

    def test_it_classifies_a_folder_as_uid_10001_with_a_read_only_root(self, batch: Image, tmp_path: Path) -> None:
        """With a mounted package; every image has its label."""
        PackageRecipe().write(tmp_path / "models")
        photos, output = tmp_path / "photos", of_container(tmp_path / "output")
        photos.mkdir()
        for place in range(len(LABELS)):
            (photos / f"{place}.png").write_bytes(encode(picture(place)))
        volumes = [f"{tmp_path / 'models'}:/models:ro", f"{photos}:/photos:ro", f"{output}:/output"]
        command = ["/photos", "--output", "/output/labels.parquet", "--models", "/models", "--json"]
        assert json.loads(done(batch, command, *volumes))["images"] == len(LABELS)
        rows = pq.read_table(output / "labels.parquet").to_pylist()
        assert [row["label_1"] for row in sorted(rows, key=lambda row: row["id"])] == list(LABELS)
        assert output.joinpath("labels.parquet").stat().st_uid == 10001


class TestTrainingImage:
    """recognition-train and recognition-export in their container."""

    @pytest.mark.skipif(not FASHION_MNIST.exists(), reason="Fashion-MNIST is not installed here")
    def test_it_trains_and_exports_as_uid_10001_with_a_read_only_root(self, training: Image, tmp_path: Path) -> None:
        """A trial on a few images of the mounted data set; the package that it exports is complete."""
        state, models = of_container(tmp_path / "state"), of_container(tmp_path / "models")
        data = tmp_path / "data"
        shutil.copytree(FASHION_MNIST, data)
        volumes = [f"{state}:/var/lib/recognition", f"{models}:/models", f"{data}:{FASHION_MNIST}:ro"]
        done(training, ["fit", "fashion_cnn", "--limit", "2000", "--epochs", "1", "--output", "runs/trial"], *volumes)
        line = training.line(["recognition-export", "runs/trial", "--to", "/models"], volumes=volumes)
        subprocess.run(line, check=True, capture_output=True)
        assert (models / "fashion_cnn" / "1" / "manifest.json").exists()

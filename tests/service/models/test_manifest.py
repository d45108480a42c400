"""The manifest: what is written is read back, and whatever does not belong together is refused by its field."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from service.models.manifest import (
    GOLDEN_FILE,
    Calibration,
    InputSpec,
    Manifest,
    ManifestInvalid,
    PixelFormat,
    Resize,
    digest_of,
)
from tests.service.packages import PackageRecipe

FILES = {"model.onnx": b"graph", GOLDEN_FILE: b"samples"}
Values = dict[str, Any]


def good() -> Manifest:
    return PackageRecipe().manifest(FILES)


def edited(edit: Callable[[Values], object]) -> bytes:
    """The good manifest's file after an edit."""
    values = json.loads(good().to_bytes())
    edit(values)
    return json.dumps(values).encode()


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    """Equal manifests give equal bytes, so the digest is that of the content."""
    manifest = PackageRecipe(calibration=Calibration(temperature=1.5, unknown_threshold=0.4)).manifest(FILES)
    content = manifest.to_bytes()
    assert Manifest.from_bytes(content) == manifest
    assert Manifest.from_bytes(content).to_bytes() == content


def test_the_file_is_for_people_too() -> None:
    """Labels are written in their own script, and the file ends in a line's end."""
    manifest = good().model_copy(update={"labels": ("žába", "犬", "left")})
    assert "žába" in manifest.to_bytes().decode()
    assert manifest.to_bytes().endswith(b"}\n")


def test_the_digest_is_sha_256() -> None:
    """The value for nothing at all is in every textbook."""
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"'])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    """Cut short, of another kind, not even text."""
    with pytest.raises(ManifestInvalid):
        Manifest.from_bytes(content)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda values: values.update(colour="red"), "colour"),
        (lambda values: values["input"].update(padding=3), r"input\.padding"),
        (lambda values: values["variants"]["fp32"].update(speed=1), r"variants\.fp32\.speed"),
        (lambda values: values.update(schema_version=2), "schema_version"),
        (lambda values: values.update(task="detection"), "task"),
        (lambda values: values.update(version=0), "version"),
        (lambda values: values.update(version=2**31), "version"),
        (lambda values: values.pop("labels"), "labels"),
        (lambda values: values.pop("licence"), "licence"),
        (lambda values: values.update(labels=["only"]), "labels"),
        (lambda values: values.update(labels=["a", "b", "a"]), "unique"),
        (lambda values: values.update(labels=["a", "b"]), r"baseline\.label_shares"),
        (lambda values: values["variants"].pop("fp32"), "fp32"),
        (lambda values: values["variants"].update(bf16=values["variants"]["fp32"]), "variants"),
        (lambda values: values["variants"]["fp32"].update(file="other.onnx"), r"other\.onnx"),
        (lambda values: values["variants"]["fp32"].update(golden_tolerance=0), "golden_tolerance"),
        (lambda values: values["files"].pop("golden.npz"), r"golden\.npz"),
        (lambda values: values["files"]["model.onnx"].update(sha256="abc"), "sha256"),
        (lambda values: values["files"]["model.onnx"].update(sha256="A" * 64), "sha256"),
        (lambda values: values["files"]["model.onnx"].update(size_bytes=-1), "size_bytes"),
        (lambda values: values["calibration"].update(temperature=0), "temperature"),
        (lambda values: values["calibration"].update(temperature=float("nan")), "temperature"),
        (lambda values: values["calibration"].update(temperature=float("inf")), "temperature"),
        (lambda values: values["calibration"].update(unknown_threshold=1.1), "unknown_threshold"),
        (lambda values: values["input"].update(mean=[0, 0, 0]), "input.*mean and std"),
        (lambda values: values["input"].update(std=[0]), r"input\.std"),
        (lambda values: values["input"].update(height=0), r"input\.height"),
        (lambda values: values["input"].update(width=8193), r"input\.width"),
        (lambda values: values["input"].update(pixel_format="bgr8"), r"input\.pixel_format"),
        (lambda values: values["input"].update(resize="shorter_side"), "resize_to"),
        (lambda values: values["input"].update(resize_to=20), "resize_to"),
        (lambda values: values["input"].update(resize="shorter_side", resize_to=11), "resize_to"),
        (lambda values: values.update(explanation={"file": "cam.onnx"}), r"cam\.onnx"),
    ],
)
def test_a_faulty_field_is_named(edit: Callable[[Values], object], words: str) -> None:
    """Unknown, missing, out of range, or at odds with another one."""
    with pytest.raises(ManifestInvalid, match=words):
        Manifest.from_bytes(edited(edit))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a\\b", "-flag", ".hidden", "a b", "a\n", "ř", "x" * 65]
)
def test_a_name_is_no_path(name: str) -> None:
    """Names become directories, metric labels and service names."""
    with pytest.raises(ManifestInvalid, match="name"):
        Manifest.from_bytes(edited(lambda values: values.update(name=name)))


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "sub/model.onnx", "..", ".hidden", "model.onnx\n"])
def test_a_file_lies_in_the_package(file: str) -> None:
    """No manifest leads out of its directory."""
    with pytest.raises(ManifestInvalid, match="files"):
        Manifest.from_bytes(edited(lambda values: values["files"].update({file: values["files"]["model.onnx"]})))
    with pytest.raises(ManifestInvalid, match="file"):
        Manifest.from_bytes(edited(lambda values: values["variants"]["fp32"].update(file=file)))


def test_a_manifest_cannot_be_changed() -> None:
    """What was checked stays so."""
    with pytest.raises(ValueError, match="frozen"):
        good().version = 2


def test_colours_have_three_channels() -> None:
    """Mean and std are counted against them; a crop as large as `resize_to` is allowed."""
    spec = InputSpec(
        pixel_format=PixelFormat.RGB8,
        height=8,
        width=12,
        resize=Resize.SHORTER_SIDE,
        resize_to=12,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
    )
    assert spec.channels == 3
    assert good().input.channels == 1

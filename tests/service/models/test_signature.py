"""Signed packages (service/models/signature.py): what is served where keys are trusted, and what is refused."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.models.manifest import MANIFEST_FILE
from service.models.repository import ModelRepository, PackageRefused
from service.models.signature import SIGNATURE_FILE, KeysInvalid, TrustedKeys, key_name, read_trusted_keys
from tests.service.packages import PackageRecipe

OURS, THEIRS = Ed25519PrivateKey.from_private_bytes(b"o" * 32), Ed25519PrivateKey.from_private_bytes(b"t" * 32)


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(directory: Path, key: Ed25519PrivateKey) -> None:
    (directory / SIGNATURE_FILE).write_bytes(key.sign((directory / MANIFEST_FILE).read_bytes()))


@pytest.fixture
def package(root: Path) -> Path:
    return PackageRecipe().write(root)


@pytest.fixture
def repository(root: Path) -> ModelRepository:
    return ModelRepository(root, trusted=TrustedKeys([OURS.public_key()]))


def test_a_package_that_a_trusted_key_signed_is_opened(repository: ModelRepository, package: Path) -> None:
    """Any one of several keys is enough."""
    sign(package, OURS)
    assert repository.open("thirds", 1).path == package
    both = TrustedKeys([THEIRS.public_key(), OURS.public_key()])
    assert ModelRepository(repository.root, trusted=both).open("thirds", 1).path == package


def test_an_unsigned_package_is_refused_only_where_keys_are_trusted(repository: ModelRepository, package: Path) -> None:
    """With what to do."""
    with pytest.raises(PackageRefused, match=r"^thirds/1 is not signed, .*recognition-export sign`$"):
        repository.open("thirds", 1)
    assert ModelRepository(repository.root).open("thirds", 1).path == package


def test_a_strangers_signature_is_refused(repository: ModelRepository, package: Path) -> None:
    """Those who are trusted are named."""
    sign(package, THEIRS)
    with pytest.raises(PackageRefused, match=rf"by a trusted key \({key_name(OURS.public_key())}\)"):
        repository.open("thirds", 1)


def test_a_manifest_that_was_changed_after_signing_is_refused(repository: ModelRepository, package: Path) -> None:
    """One byte of white space, which no digest elsewhere would notice."""
    sign(package, OURS)
    with (package / MANIFEST_FILE).open("ab") as file:
        file.write(b" ")
    with pytest.raises(PackageRefused, match="no signature of this manifest"):
        repository.open("thirds", 1)


def test_a_signature_does_not_fit_another_version(repository: ModelRepository, package: Path, root: Path) -> None:
    """The number is part of what is signed."""
    sign(package, OURS)
    second = PackageRecipe(version=2).write(root)
    (second / SIGNATURE_FILE).write_bytes((package / SIGNATURE_FILE).read_bytes())
    with pytest.raises(PackageRefused, match=r"thirds/2/manifest\.json\.sig is no signature"):
        repository.open("thirds", 2)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 10_000])
def test_a_signature_of_any_other_form_is_refused(repository: ModelRepository, package: Path, content: bytes) -> None:
    """Its length does not matter."""
    (package / SIGNATURE_FILE).write_bytes(content)
    with pytest.raises(PackageRefused, match="no signature"):
        repository.open("thirds", 1)


def test_a_plain_model_cannot_be_signed(repository: ModelRepository, root: Path) -> None:
    """So it is not served beside signed packages."""
    (root / "anyone" / "1").mkdir(parents=True)
    (root / "anyone" / "1" / "model.onnx").write_bytes(b"graph")
    with pytest.raises(PackageRefused, match=r"anyone/1 is a plain ONNX model.*recognition-export import"):
        repository.open_plain("anyone", 1)


def test_keys_are_read_from_a_file_or_a_directory(tmp_path: Path) -> None:
    """Several in one file; in a directory, those that are called *.pub."""
    together = tmp_path / "keys.pem"
    together.write_bytes(pem(OURS) + b"\n" + pem(THEIRS))
    assert len(TrustedKeys.read(together).names) == 2
    (tmp_path / "ours.pub").write_bytes(pem(OURS))
    assert TrustedKeys.read(tmp_path).names == (key_name(OURS.public_key()),)
    assert read_trusted_keys(None) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no public key"),
        (b"rubbish", "is no public key in PEM form"),
        (pem(OURS) + b"rubbish", "is no public key in PEM form"),
        (pem(OURS).replace(b"MCow", b"AAAA"), "is no public key in PEM form"),
        (
            generate_private_key(SECP256R1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "must hold Ed25519 keys",
        ),
    ],
)
def test_what_is_no_key_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """Serving with fewer keys than were meant would be found out too late."""
    file = tmp_path / "release.pub"
    file.write_bytes(content)
    with pytest.raises(KeysInvalid, match=message):
        TrustedKeys.read(file)
    with pytest.raises(KeysInvalid, match=r"nowhere cannot be read"):
        TrustedKeys.read(tmp_path / "nowhere")

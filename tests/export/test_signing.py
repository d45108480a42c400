"""Signing keys (export/signing.py) and packages that are signed with them, as the service checks them."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from export.destination import DirectoryDestination
from export.draft import Draft
from export.errors import KeyInvalid
from export.signing import SigningKey, make_keys
from service.models.manifest import MANIFEST_FILE
from service.models.repository import ModelRepository, Package
from service.models.signature import SIGNATURE_FILE, TrustedKeys


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path / "release")


def test_a_package_is_published_with_its_signature(draft: Draft, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """Made for the number that it was given; the service opens it with the other half of the key."""
    private, public = keys
    destination = DirectoryDestination(tmp_path / "models")
    for version in (1, 2):
        destination.publish(draft, prove=accept, sign=SigningKey.read(private).sign)
        repository = ModelRepository(tmp_path / "models", trusted=TrustedKeys.read(public))
        assert repository.open("clothes", version).manifest.version == version


def test_a_version_is_signed_later(draft: Draft, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """The manifest and so the digest stay; OpenSSL agrees with the signature."""
    private, public = keys
    destination = DirectoryDestination(tmp_path / "models")
    before = destination.publish(draft, prove=accept)
    assert destination.sign("clothes", 1, SigningKey.read(private).sign) == before
    assert ModelRepository(tmp_path / "models", trusted=TrustedKeys.read(public)).open("clothes", 1) == before
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    checked = subprocess.run(
        [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", before.path / MANIFEST_FILE,
         "-sigfile", before.path / SIGNATURE_FILE],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_only_the_owner_reads_the_private_key(keys: tuple[Path, Path], tmp_path: Path) -> None:
    """And a pair is never overwritten."""
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(KeyInvalid, match="exists already"):
        make_keys(tmp_path / "release")
    assert (private.read_bytes(), public.read_bytes()) == before
    with pytest.raises(KeyInvalid, match=r"cannot write .*No such file"):
        make_keys(tmp_path / "nowhere" / "release")


def test_what_is_no_signing_key_is_named(keys: tuple[Path, Path], tmp_path: Path) -> None:
    """A public key, one with a password, none at all."""
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    for path, message in ((keys[1], "is no private key"), (locked, "has a password"), (tmp_path / "no", "cannot be")):
        with pytest.raises(KeyInvalid, match=message):
            SigningKey.read(path)

"""Signatures of packages: Ed25519 over the bytes of `manifest.json`, kept beside it in `manifest.json.sig`.

The manifest holds the name, the number and the SHA-256 of every other file, so a signature covers the whole package and
cannot be moved to another model or version. Keys are PEM files, as `openssl genpkey -algorithm ed25519` makes them.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from service.models.package import PackageRefused

SIGNATURE_FILE = "manifest.json.sig"
END_OF_KEY = b"-----END PUBLIC KEY-----"
KEY_SUFFIX = ".pub"


class KeysInvalid(Exception):
    """The trusted keys cannot be read; the text names the file."""


class TrustedKeys:
    """The public keys of those whose packages are served; any one of them is enough."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def read(cls, path: Path) -> "TrustedKeys":
        """From a file with one or more public keys, or a directory of `*.pub` files. Raises KeysInvalid."""
        try:
            files = sorted(path.glob(f"*{KEY_SUFFIX}")) if path.is_dir() else [path]
            keys = [key for file in files for key in _keys_in(file)]
        except OSError as error:
            raise KeysInvalid(f"the trusted keys {path} cannot be read: {error.strerror}") from error
        if not keys:
            raise KeysInvalid(f"{path} holds no public key (*{KEY_SUFFIX}); `recognition-export keygen` makes a pair")
        return cls(keys)

    @property
    def names(self) -> tuple[str, ...]:
        """Of each key, as messages call it."""
        return tuple(map(key_name, self._keys))

    def check(self, content: bytes, directory: Path, where: str) -> None:
        """Raises PackageRefused where no key signed the manifest's content; `where` is the package's place."""
        try:
            signature = (directory / SIGNATURE_FILE).read_bytes()
        except FileNotFoundError:
            raise PackageRefused(
                f"{where} is not signed, and only signed packages are served here (trusted_keys); sign it with "
                "`recognition-export sign`"
            ) from None
        except OSError as error:
            raise PackageRefused(f"{where}/{SIGNATURE_FILE} cannot be read: {error.strerror}") from error
        if not any(_fits(key, signature, content) for key in self._keys):
            raise PackageRefused(
                f"{where}/{SIGNATURE_FILE} is no signature of this manifest by a trusted key ({', '.join(self.names)})"
            )


def read_trusted_keys(path: Path | None) -> TrustedKeys | None:
    """None where nothing has to be signed. Raises KeysInvalid."""
    return None if path is None else TrustedKeys.read(path)


def key_name(key: Ed25519PublicKey) -> str:
    """The beginning of the key's SHA-256, which tells keys apart in messages."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _keys_in(file: Path) -> Iterable[Ed25519PublicKey]:
    blocks = file.read_bytes().split(END_OF_KEY)
    for block in blocks[:-1]:
        try:
            key = load_pem_public_key(block + END_OF_KEY)
        except ValueError as error:
            raise KeysInvalid(f"{file} is no public key in PEM form") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeysInvalid(f"{file} must hold Ed25519 keys; `recognition-export keygen` makes a pair")
        yield key
    if blocks[-1].strip():
        raise KeysInvalid(f"{file} is no public key in PEM form")


def _fits(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True

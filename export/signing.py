"""The private half of signatures: makes key pairs, reads a key, and signs the manifests of packages."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from export.errors import KeyInvalid
from service.models.signature import KEY_SUFFIX, key_name

PRIVATE_SUFFIX = ".key"


class SigningKey:
    """An Ed25519 key that signs packages."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "SigningKey":
        """A PEM file without a password. Raises KeyInvalid."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise KeyInvalid(f"the signing key {path} cannot be read: {error.strerror}") from error
        except TypeError:
            raise KeyInvalid(f"{path} has a password; `openssl pkey -in {path}` gives the key without it") from None
        except ValueError as error:
            raise KeyInvalid(f"{path} is no private key in PEM form; `recognition-export keygen` makes one") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyInvalid(f"{path} must be an Ed25519 key; `recognition-export keygen` makes one")
        return cls(key)

    @property
    def name(self) -> str:
        """As the service's messages call it."""
        return key_name(self._key.public_key())

    def sign(self, content: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(content)


def make_keys(path: Path) -> tuple[Path, Path]:
    """Writes PATH.key, which only its owner may read, and PATH.pub. Raises KeyInvalid; nothing is overwritten."""
    private, public = (path.with_name(path.name + suffix) for suffix in (PRIVATE_SUFFIX, KEY_SUFFIX))
    key = Ed25519PrivateKey.generate()
    contents = {
        private: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        public: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    }
    present = [file for file in contents if file.exists()]
    if present:
        raise KeyInvalid(f"{present[0]} exists already; name another file, or remove it if nobody trusts it any more")
    try:
        for file, content in contents.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(file, flags, 0o600 if file == private else 0o644), "wb") as opened:
                opened.write(content)
    except OSError as error:
        raise KeyInvalid(f"cannot write {path}: {error.strerror}; name another place") from error
    return private, public

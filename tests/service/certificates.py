"""Certificates of a made-up authority as PEM files, and how a client uses them."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a server's settings find them."""

    certificate: Path
    key: Path
    client_ca: Path


class Authority:
    """Vouches for `localhost`, and for clients."""

    def __init__(self) -> None:
        self._servers = trustme.CA()
        self._clients = trustme.CA()
        client = self._clients.issue_cert("client@example.com")
        self.client_key = client.private_key_pem.bytes()
        self.client_certificate = b"".join(blob.bytes() for blob in client.cert_chain_pems)

    @property
    def root(self) -> bytes:
        return self._servers.cert_pem.bytes()

    def write(self, directory: Path, *, not_after: datetime | None = None) -> Files:
        """A server's files, the certificate a new one each time."""
        server = self._servers.issue_cert("localhost", "127.0.0.1", not_after=not_after)
        files = Files(certificate=directory / "tls.crt", key=directory / "tls.key", client_ca=directory / "clients.crt")
        server.private_key_pem.write_to_path(files.key)
        files.certificate.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        files.client_ca.write_bytes(self._clients.cert_pem.bytes())
        return files

    def of_client(self, *, shows_certificate: bool = False) -> grpc.ChannelCredentials:
        """What a gRPC client brings."""
        if not shows_certificate:
            return grpc.ssl_channel_credentials(self.root)
        return grpc.ssl_channel_credentials(self.root, self.client_key, self.client_certificate)

    def context(self, directory: Path | None = None) -> ssl.SSLContext:
        """What an HTTP client brings; its certificate lies in `directory`, where it shows one."""
        context = ssl.create_default_context(cadata=self.root.decode())
        if directory is not None:
            certificate, key = directory / "client.crt", directory / "client.key"
            certificate.write_bytes(self.client_certificate)
            key.write_bytes(self.client_key)
            context.load_cert_chain(certificate, key)
        return context

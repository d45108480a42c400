"""The certificates of the server, read again when their files change: new connections see the new ones at once, and
those that exist go on.
"""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

log = structlog.get_logger("service.tls")

_Stamp = tuple[tuple[int, int, int], ...]


class CertificatesInvalid(Exception):
    """The files cannot be used; the text names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    grpc: grpc.ServerCertificateConfiguration
    context: ssl.SSLContext
    """For the API over HTTP, which asks for the client's certificate where there is a CA."""
    http2_context: ssl.SSLContext
    """The same for gRPC's second door: clients of gRPC want to hear that it is HTTP/2."""
    open_context: ssl.SSLContext
    """For the port of metrics and probes: the kubelet has no certificate."""


class Certificates:
    """One for all ports. The files are looked at whenever somebody connects, which may be in any thread.

    A changed pair that does not fit together (one file is written before the other) leaves what was there in force.
    """

    def __init__(self, certificate: Path, key: Path, *, client_ca: Path | None = None) -> None:
        """Raises CertificatesInvalid."""
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._files = [path for path in (certificate, key, client_ca) if path is not None]
        self._changing = threading.Lock()
        try:
            self._stamp = self._stamp_of_files()
            self._loaded = self._load()
        except (OSError, ValueError) as error:
            names = ", ".join(map(str, self._files))
            raise CertificatesInvalid(f"the files of TLS ({names}) cannot be used: {_words(error)}") from error

    def for_grpc(self) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            self._loaded.grpc, lambda: self._current().grpc, require_client_authentication=self._client_ca is not None
        )

    def for_http(self) -> ssl.SSLContext:
        """Each handshake moves on to the context of the files as they are then."""
        return _moving(self._load().context, lambda: self._current().context)

    def for_http2(self) -> ssl.SSLContext:
        """The same for gRPC over HTTP/2."""
        return _moving(self._load().http2_context, lambda: self._current().http2_context)

    def for_metrics(self) -> ssl.SSLContext:
        """The same, without a client's certificate."""
        return _moving(self._load().open_context, lambda: self._current().open_context)

    def _current(self) -> _Loaded:
        with self._changing:
            self._look()
        return self._loaded

    def _look(self) -> None:
        try:
            stamp = self._stamp_of_files()
            if stamp == self._stamp:
                return
            self._loaded = self._load()
        except (OSError, ValueError) as error:
            log.error("certificates not reloaded", reason=_words(error))  # noqa: TRY400 - no fault of ours
            return
        self._stamp = stamp
        log.info("certificates reloaded", files=[str(path) for path in self._files])

    def _load(self) -> _Loaded:
        context, http2_context = self._new_context(), self._new_context()
        http2_context.set_alpn_protocols(["h2"])
        roots = None
        if self._client_ca is not None:
            roots = self._client_ca.read_bytes()
            for asking in (context, http2_context):
                asking.load_verify_locations(cadata=roots.decode())
                asking.verify_mode = ssl.CERT_REQUIRED
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        return _Loaded(
            grpc=grpc.ssl_server_certificate_configuration([pair], root_certificates=roots),
            context=context,
            http2_context=http2_context,
            open_context=self._new_context(),
        )

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Fails where the two do not fit; an encrypted key fails too, instead of asking at a terminal for its password.
        context.load_cert_chain(self._certificate, self._key, password="")
        return context

    def _stamp_of_files(self) -> _Stamp:
        found = [path.stat() for path in self._files]
        return tuple((file.st_mtime_ns, file.st_size, file.st_ino) for file in found)


def _moving(first: ssl.SSLContext, current: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """`first` says whether the client must show a certificate: OpenSSL takes that from where a connection began."""

    def move(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = current()

    first.sni_callback = move  # is called for every handshake, whether the client names a server or not
    return first


def _words(error: OSError | ValueError) -> str:
    """Without what the library puts around them; a key that cannot be read is never quoted."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is no certificate or no key"
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else "it is no PEM file"

"""What guards the doors, from the settings: who may call, and the certificates."""

import ipaddress

import structlog

from service.api.auth.access import Access
from service.api.auth.token_file import TokenFile
from service.api.auth.tokens import TokensInvalid
from service.config import Settings
from service.ports import StartRefused
from service.tls import Certificates, CertificatesInvalid

log = structlog.get_logger("service.guards")


def build_access(settings: Settings) -> Access:
    """Raises StartRefused."""
    if settings.tokens is None:
        if not is_loopback(settings.host):
            log.warning("everybody may call", host=settings.host, advice="set tokens, or let a network policy decide")
        return Access()
    try:
        return Access(TokenFile(settings.tokens))
    except TokensInvalid as error:
        raise StartRefused(f"{error}. `recognition-serve token new` writes one.") from error


def build_certificates(settings: Settings) -> Certificates | None:
    """None where TLS is off. Raises StartRefused."""
    if settings.tls_certificate is None or settings.tls_key is None:
        if settings.tokens is not None and not is_loopback(settings.host):
            log.warning("tokens travel readable", host=settings.host, advice="set tls_certificate and tls_key")
        return None
    try:
        return Certificates(settings.tls_certificate, settings.tls_key, client_ca=settings.tls_client_ca)
    except CertificatesInvalid as error:
        raise StartRefused(
            f"{error}. TLS needs PEM files of a certificate and its key that belong together."
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

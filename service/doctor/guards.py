"""The doctor on what guards the doors: the file of tokens, and the certificates."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate

from service.api.auth.token_file import TokenFile
from service.api.auth.tokens import TokensInvalid
from service.config import Settings
from service.doctor.finding import Finding, failure, warning, well
from service.tls import Certificates, CertificatesInvalid

RENEWAL = timedelta(days=14)
"""A certificate with less than this to go should have been renewed."""


def look_at_tokens(settings: Settings) -> Iterator[Finding]:
    if settings.tokens is None:
        return
    make_one = f"Make one with `recognition-serve token new NAME --file {settings.tokens}`."
    try:
        count = len(TokenFile(settings.tokens))
    except TokensInvalid as error:
        yield failure("tokens", str(error), make_one)
        return
    if count == 0:
        yield warning("tokens", f"{settings.tokens} holds none: every call is refused", make_one)
    else:
        yield well("tokens", f"{settings.tokens} holds {count}")


def look_at_certificates(settings: Settings) -> Iterator[Finding]:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return
    try:
        Certificates(certificate, key, client_ca=settings.tls_client_ca)
    except CertificatesInvalid as error:
        yield failure("certificate", str(error), "Give PEM files of a certificate and its key that belong together.")
        return
    yield _validity(certificate)


def _validity(certificate: Path) -> Finding:
    first = load_pem_x509_certificate(certificate.read_bytes())
    begin, end, now = first.not_valid_before_utc, first.not_valid_after_utc, datetime.now(UTC)
    saw = f"{certificate} is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    if not begin <= now <= end:
        return failure("certificate", saw, "No client will connect: renew it, or set the clock.")
    if end - now < RENEWAL:
        return warning("certificate", saw, "Renew it; the running service takes the new files by itself.")
    return well("certificate", saw)

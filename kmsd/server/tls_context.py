"""The daemon's TLS settings, and how a reload replaces them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and AEAD only, for RSA and ECDSA certificates. TLS 1.3 has nothing weaker."""

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TLSConfigurationError(ValueError):
    """A certificate, key or authority file that cannot be used; the message names it."""


def make_context(
    certificate: Path,
    private_key: Path,
    client_ca: Iterable[Path],
    *,
    minimum_version: Literal["1.2", "1.3"] = "1.2",
    password: bytes = b"",
) -> ssl.SSLContext:
    """A server context that takes TLS 1.2 and 1.3 and requires a client certificate of one of `client_ca`.

    All files are PEM; `certificate` holds the server's certificate, then its intermediates. Raises
    TLSConfigurationError.

    TLS 1.3 sessions are not resumed. Python has no switch for those of TLS 1.2: they are resumed for at most
    two hours and only in the context that made them, with the client's certificate as it was verified then
    (`accept_tls` looks at its dates again); tickets spare us keeping them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[minimum_version]
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        # A password is always given: without one OpenSSL asks on the terminal.
        context.load_cert_chain(certificate, private_key, lambda: password)
    except OSError as error:
        raise TLSConfigurationError(f"{certificate} with {private_key}: {cause(error)}") from error
    for path in client_ca:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise TLSConfigurationError(f"{path}: {cause(error)}") from error
    return context


def expiry(certificate: Path) -> datetime:
    """When the first certificate of a PEM file, which `make_context` has taken, ceases to be valid."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


class CurrentContext:
    """The context for new connections, which a reload replaces without touching established ones.

    Whoever accepts takes `.context` each time. A handshake that began with an older one (just before the
    change, or in a server that keeps what it was given at start) still serves the newest certificate and
    trusts the newest authorities: the server name callback installs them at the ClientHello, also where the
    client sends no name. Versions, ciphers, options and resumable sessions stay those of the older context.

    The current context has no such callback: Python would write a traceback to standard error for each
    client whose server name is not ASCII.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def replace(self, context: ssl.SSLContext) -> None:
        older, self.context = self.context, context
        older.sni_callback = self._install
        context.sni_callback = None

    def _install(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, initial: ssl.SSLContext) -> None:
        connection.context = self.context


def cause(error: BaseException) -> str:
    """What went wrong, in words without source positions of the library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

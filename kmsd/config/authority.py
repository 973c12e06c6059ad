"""The certificate authority of a tenant, as the configuration declares it."""

from __future__ import annotations

from typing import Annotated

from cryptography.x509 import Name

from kmsd.config.reading import After, Section
from kmsd.config.values import Duration, Label, at_least
from kmsd.domain.policy import Authority


def _distinguished_name(value: str) -> str:
    """The text as it stands, once it is known to be a name (RFC 4514)."""
    try:
        # RFC 5280 §4.1.2.4: an authority has a name that is not empty.
        names = Name.from_rfc4514_string(value).rdns
    except ValueError:
        names = []
    if not names:
        raise ValueError('expected a distinguished name, such as "CN=Issuing CA,O=Example"')
    return value


class CertificateAuthority(Section):
    """Who signs what Certify and Re-certify give out: a private key of the tenant and its certificate, by Name."""

    private_key: Label
    """One of `keys`, or one that a client makes or registers; its usage holds CertificateSign."""
    certificate: Label
    subject: Annotated[str, After(_distinguished_name)] | None = None
    """RFC 4514 text. Where given, a certificate that does not exist is made at start, signed by the key itself."""
    validity: Annotated[Duration, at_least(1)] = 365 * 86400.0
    """How long a certificate is good for, unless its Deactivation Date says otherwise."""
    own_validity: Annotated[Duration, at_least(1)] = 3650 * 86400.0
    """How long the certificate that is made at start is good for."""

    @property
    def policy(self) -> Authority:
        return Authority(self.private_key, self.certificate, int(self.validity))

"""Re-Provision: the fields of its request and response payloads."""

from protocol.objects import Certificate, CertificateRequest
from protocol.schema import structure


@structure
class ReProvisionRequest:
    """KMIP 2.1 §6.1.48."""

    certificate_request: CertificateRequest | None = None
    certificate: Certificate | None = None


@structure
class ReProvisionResponse:
    """KMIP 2.1 §6.1.48."""

    unique_identifier: str | None = None

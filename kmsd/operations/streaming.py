"""Cryptography in parts (Init Indicator, Final Indicator, Correlation Value: KMIP 1.4 §4.29)."""

from __future__ import annotations

from typing import Any

from kmsd.domain.errors import KmsError
from protocol.enums import ResultReason


def refuse_streaming(request: Any) -> None:
    """Raise KmsError where the request is one part of several; a request that is first and last is whole."""
    if request.correlation_value is not None:
        raise KmsError(ResultReason.INVALID_CORRELATION_VALUE, "no outstanding operation has this value")
    if request.init_indicator and not request.final_indicator:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "cryptography in parts is not supported")

"""PyKMIP's client as the tests use it, and what it cannot do.

PyKMIP has no type annotations; what comes from it is Any. Importing it and opening its connections warns (SQLAlchemy,
ssl), about PyKMIP's ways and not about ours, so both are done where warnings are let pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from protocol.message import decode_response
from tests.daemon import Daemon

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from kmip.core import enums, misc, primitives  # type: ignore[import-untyped]
    from kmip.core import exceptions as core_exceptions
    from kmip.core import objects as core_objects
    from kmip.core.attributes import PrivateKeyUniqueIdentifier  # type: ignore[import-untyped]
    from kmip.core.factories.attributes import AttributeFactory  # type: ignore[import-untyped]
    from kmip.core.messages import messages, payloads  # type: ignore[import-untyped]
    from kmip.pie import exceptions as pie_exceptions  # type: ignore[import-untyped]
    from kmip.pie import objects as pie
    from kmip.pie.client import ProxyKmipClient  # type: ignore[import-untyped]

__all__ = [
    "PrivateKeyUniqueIdentifier",
    "core_exceptions",
    "core_objects",
    "enums",
    "misc",
    "payloads",
    "pie",
    "primitives",
]

Algorithm = enums.CryptographicAlgorithm
Mask = enums.CryptographicUsageMask
Reason = enums.ResultReason
Version = enums.KMIPVersion

_FACTORY = AttributeFactory()


@dataclass(frozen=True, slots=True)
class Limit:
    """Something PyKMIP cannot do with a legal answer, or cannot ask for, in these versions."""

    versions: frozenset[Any]
    reason: str


def _limit(*versions: Any, reason: str) -> Limit:
    return Limit(frozenset(versions), reason)


ALL = tuple(Version)

UNREADABLE_ATTRIBUTES: Mapping[str, Limit] = {
    "Digest": _limit(Version.KMIP_1_0, reason="its reader wants a Key Format Type, a field of 1.1 and later"),
    "Link": _limit(*ALL, reason="it has no class for the value"),
    "Random Number Generator": _limit(
        Version.KMIP_1_3, Version.KMIP_1_4, Version.KMIP_2_0, reason="it has no class for the value"
    ),
    **{
        name: _limit(Version.KMIP_2_0, reason="it has no class for the value outside an 1.x Attribute")
        for name in (
            "Always Sensitive",
            "Certificate Type",
            "Extractable",
            "Never Extractable",
            "Original Creation Date",
        )
    },
    **{
        name: _limit(Version.KMIP_2_0, reason="it does not take this for an attribute")
        for name in ("Key Format Type", "Protection Level", "Protection Storage Mask", "Short Unique Identifier")
    },
}
"""Attributes that kmsd rightly returns and PyKMIP cannot read: one of them among the asked for, and the call fails."""

FALLS_OVER = r"^$|^No value type|^Unrecognized attribute type|^unpack requires"
"""What it says when it falls over one of them, whatever the class of the exception."""

LIMITS: Mapping[str, Limit] = {
    "Query Extension Map": _limit(
        Version.KMIP_2_0, reason="its Extension Information lacks the Extension Enumeration, a field of 2.0"
    ),
    "a refused Discover Versions": _limit(*ALL, reason="it looks into the payload, which a refusal does not have"),
    "a Check for no usage": _limit(*ALL, reason="it goes through the usages asked for, also where none are"),
    "Re-key with attributes": _limit(
        Version.KMIP_2_0,
        reason="it sends a Template-Attribute, which 2.0 has no more, even when there is nothing in it",
    ),
    "a wrapped Key Value": _limit(*ALL, reason="it expects a structure, where wrapping makes a Byte String"),
    "the tag of an AEAD": _limit(
        Version.KMIP_1_4, Version.KMIP_2_0, reason="it knows no Authenticated Encryption Tag, a field of 1.4 and later"
    ),
}
"""What else it cannot do. Tests send its requests all the same, and read the answers themselves: `sent`."""


def connect(daemon: Daemon, name: str, version: Any) -> Any:
    """An open ProxyKmipClient of that certificate."""
    client = ProxyKmipClient(
        hostname=daemon.host,
        port=daemon.port,
        cert=str(daemon.certificate(name)),
        key=str(daemon.key(name)),
        ca=str(daemon.ca),
        kmip_version=version,
    )
    with warnings.catch_warnings():
        # Its default names a TLS version in a way that ssl deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        client.open()
    return client


def refused(call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """The Result Reason with which a call is refused, as PyKMIP shows it."""
    with pytest.raises((pie_exceptions.KmipOperationFailure, core_exceptions.OperationFailure)) as caught:
        call(*arguments, **more)
    return caught.value.reason


def sent(client: Any, operation: Any, payload: Any) -> Any:
    """The batch item that answers a request of PyKMIP, read by our own library: PyKMIP would fall over it."""
    proxy = client.proxy
    item = messages.RequestBatchItem(
        operation=primitives.Enumeration(enums.Operation, operation, tag=enums.Tags.OPERATION), request_payload=payload
    )
    proxy._send_message(proxy._build_request_message(None, [item]))
    [answer] = decode_response(bytes(proxy._receive_message().buffer)).batch_items
    return answer


def attribute(kind: Any, value: Any, index: int | None = None) -> Any:
    """A core Attribute; PyKMIP rewrites it itself for 2.0."""
    return _FACTORY.create_attribute(kind, value, index)


def value(tag: Any, content: Any) -> Any:
    """An attribute of 2.0, which is its value."""
    return _FACTORY.value_factory.create_attribute_value_by_enum(tag, content)


def custom(name: str, value: str) -> Any:
    """A custom attribute of 1.x."""
    return core_objects.Attribute(
        attribute_name=core_objects.Attribute.AttributeName(name),
        attribute_value=primitives.TextString(value, enums.Tags.ATTRIBUTE_VALUE),
    )


def template(*attributes: Any) -> Any:
    return core_objects.TemplateAttribute(attributes=list(attributes))


def plain(value: Any) -> Any:
    """The Python value in a PyKMIP attribute value."""
    if hasattr(value, "name_value"):
        return value.name_value.value
    return value.value if hasattr(value, "value") else value

"""Requests that are to be tried only: a Message Extension of kmsd's (KMIP 1.4 §6.16, 2.1 §9.13).

    Vendor Identification "kmsd", Criticality Indicator True, Vendor Extension { 0x540041 Boolean True }

Such an item is carried out to the end and always fails: with Dry Run (0x80000001) where it would have succeeded, and
nothing of it is kept, else with the reason for which it would have been refused.
"""

from __future__ import annotations

from kmsd.domain.errors import KmsError, invalid_field
from protocol import vendor
from protocol.enums import Operation, ResultReason
from protocol.message import MessageExtension, RequestBatchItem
from protocol.ttlv import Item, ItemType

VENDOR = "kmsd"

OPERATIONS = frozenset(
    {
        Operation.ENCRYPT,
        Operation.DECRYPT,
        Operation.SIGN,
        Operation.SIGNATURE_VERIFY,
        Operation.MAC,
        Operation.MAC_VERIFY,
        vendor.KMS_ENCRYPT,
        vendor.KMS_DECRYPT,
        vendor.RE_ENCRYPT,
        vendor.GENERATE_DATA_KEY,
        vendor.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT,
        vendor.GENERATE_AND_EXPORT_DATA_KEY,
        vendor.EXPORT_DATA_KEY,
        vendor.GET_PUBLIC_KEY,
    }
)
"""What uses a key and leaves no trace but in its response."""

_ASKED = Item(vendor.TAG_DRY_RUN, ItemType.BOOLEAN, True)


def asked_for(item: RequestBatchItem) -> bool:
    """Whether the item is to be tried only.

    Raises KmsError Feature Not Supported: an extension that is critical and not understood (KMIP 1.4 §11.1), an
    operation that is not tried. Invalid Field: one part of several.
    """
    asked = False
    for extension in item.message_extension:
        if _is_ours(extension):
            asked = True
        elif extension.criticality_indicator:
            raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "the critical Message Extension is not understood")
    if asked and item.operation not in OPERATIONS:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "the operation cannot be tried only")
    parts = (getattr(item.payload, name, None) for name in ("correlation_value", "init_indicator", "final_indicator"))
    if asked and any(part is not None for part in parts):
        raise invalid_field("what comes in parts cannot be tried only")
    return asked


def _is_ours(extension: MessageExtension) -> bool:
    return extension.vendor_identification == VENDOR and extension.vendor_extension.value == (_ASKED,)


def done() -> KmsError:
    """What an item that was tried, and went well, is answered with."""
    return KmsError(vendor.DRY_RUN, "the request would succeed")

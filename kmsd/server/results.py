"""Data that later items of a batch may refer to (KMIP 2.1 §11.13), and that Ephemeral leaves out (§9.6)."""

from __future__ import annotations

from typing import NamedTuple

from protocol import vendor
from protocol.enums import Operation


class Result(NamedTuple):
    """Where an operation's response has the Data that later items may refer to."""

    field: str
    withheld: bytes | None = None
    """What Ephemeral leaves of it: nothing, or where the field is required nothing in it."""


RESULTS = {
    Operation.DECRYPT: Result("data"),
    Operation.ENCRYPT: Result("data"),
    Operation.HASH: Result("data"),
    Operation.MAC: Result("mac_data"),
    Operation.RNG_RETRIEVE: Result("data", b""),
    Operation.SIGN: Result("signature_data"),
    vendor.KMS_DECRYPT: Result("data"),
    vendor.GENERATE_DATA_KEY: Result("data"),
}

"""What the cases cannot have of keys in a token, in the words in which the daemon refuses it.

A case that asks for one of these ends there: what it did before was as it should be. Whatever else differs is a
failure, as it is with keys in software.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSED = r"ResultStatus: expected Success, got OperationFailed "
_LACKS = _REFUSED + r"(FeatureNotSupported|UnsupportedCryptographicParameters) the token "

LIMITS: Mapping[str, str] = {
    "the key leaves the server": _REFUSED + r"(NotExtractable|PermissionDenied) the key never leaves the HSM",
    "the key is put to a client": r"^ToldOtherwiseError: .*the key is missing",
    "a key is derived in the clear": _REFUSED + r"\w+ nothing is derived from keys in the HSM",
    "a key that the token does not keep": _LACKS + r"(keeps|makes|takes in) ",
    "a use that the token does not offer": _LACKS + r"(does not offer|takes no) ",
    "a key that is Extractable": r"\[(Never )?Extractable\]/|/(Never)?Extractable: |the object is not Extractable$",
    "a key that is not Sensitive": r"\[(Always )?Sensitive\]/|/(Always)?Sensitive: ",
    "a stream encrypted as it comes, not at its end": r"^BatchItem\[0\]/ResponsePayload/Data: missing",
}
"""What the case asks for -> the difference that it makes."""

_UNKNOWN = re.compile(r"missing: (Attribute )?Digest$")
"""Of a key that the token has made nobody has the digest: it has a value "if the server has access to" the material
(1.4 §3.17)."""


def limit_of(difference: str) -> str | None:
    """What a case asked for that no key in a token gives; None where the difference is another."""
    return next((name for name, pattern in LIMITS.items() if re.search(pattern, difference)), None)


def excused_in_hsm(difference: str) -> bool:
    """Whether a key in a token may differ so, and the case goes on."""
    return _UNKNOWN.search(difference) is not None

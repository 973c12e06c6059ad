"""Operations that are not served, each with the reason that its refusal gives."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.enums import Operation

_SERVER_TO_CLIENT = "only servers send it (KMIP 1.4 §5, 2.1 §6.2)"

DECLINED: Mapping[Operation, str] = {
    Operation.RE_PROVISION: "the certificates of clients are in the configuration, and no client changes it",
    Operation.NOTIFY: _SERVER_TO_CLIENT,
    Operation.PUT: _SERVER_TO_CLIENT,
}
"""The specification allows it: a server need not serve every operation (KMIP 2.1 §14.2), and Query names those that
it does."""

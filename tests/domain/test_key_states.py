"""Every call in every state, against the published table, which stands here once more."""

from __future__ import annotations

import pytest

from kmsd.domain.cmk import DAY, Cmk, KeyState
from kmsd.domain.errors import KmsError
from kmsd.domain.key_states import STATES, Call, check
from protocol.enums import ResultReason
from tests.domain.test_cmk import NOW, made

ORDER = (KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT)

# E: carried out. D, P, I: refused because it is Disabled, Pending Deletion, Pending Import. X: not in this state.
PUBLISHED = {
    "Encrypt Decrypt ReEncrypt GenerateDataKey ExportDataKey AsymmetricEncrypt AsymmetricDecrypt AsymmetricSign "
    "GenerateMac VerifyMac UpdateRotationPolicy CreateKeyVersion": "EDPI",
    "DescribeKey ListKeyVersions ListAliases DeleteAlias GetParametersForImport DeleteKeyMaterial": "EEEE",
    "UpdateKeyDescription UpdateAlias": "EEPE",
    "EnableKey DisableKey": "EEXX",
    "ScheduleKeyDeletion CreateAlias ImportKeyMaterial": "EEXE",
    "CancelKeyDeletion": "XXEX",
    # Where the published table is silent, ours:
    "TagResource UntagResource SetDeletionProtection": "EEPE",
    "AsymmetricVerify GetPublicKey SetMinimumVersion SetVersionEnabled": "EEPI",
}
REASONS = {
    "D": ResultReason.WRONG_KEY_LIFECYCLE_STATE,
    "P": ResultReason.WRONG_KEY_LIFECYCLE_STATE,
    "X": ResultReason.WRONG_KEY_LIFECYCLE_STATE,
    "I": ResultReason.KEY_VALUE_NOT_PRESENT,
}
CELLS = [
    (Call(name), state, letter)
    for names, row in PUBLISHED.items()
    for name in names.split()
    for state, letter in zip(ORDER, row, strict=True)
]


def in_state(state: KeyState) -> Cmk:
    changes = {
        KeyState.ENABLED: {},
        KeyState.DISABLED: {"enabled": False},
        KeyState.PENDING_DELETION: {"deletion_date": NOW + DAY},
        KeyState.PENDING_IMPORT: {"has_material": False},
    }[state]
    cmk = made(**changes)
    assert cmk.state(NOW) is state
    return cmk


def test_every_call_is_in_the_table() -> None:
    assert {call for call, _, _ in CELLS} == set(Call) == set(STATES)
    assert len(CELLS) == len(Call) * len(KeyState)


@pytest.mark.parametrize(("call", "state", "letter"), CELLS, ids=[f"{c.value}-{s.value}" for c, s, _ in CELLS])
def test_a_cell_of_the_table(call: Call, state: KeyState, letter: str) -> None:
    if letter == "E":
        check(in_state(state), call, NOW)
        return
    with pytest.raises(KmsError) as refused:
        check(in_state(state), call, NOW)
    assert refused.value.reason == REASONS[letter]


@pytest.mark.parametrize("call", Call)
def test_a_key_that_is_gone_takes_no_call(call: Call) -> None:
    with pytest.raises(KmsError) as refused:
        check(made(deletion_date=NOW), call, NOW)
    assert refused.value.reason == ResultReason.OBJECT_DESTROYED

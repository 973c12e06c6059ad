from __future__ import annotations

import pytest

from kmsd.domain import encryptions, rekey
from kmsd.domain.encryptions import reserve, reserved
from kmsd.domain.errors import KmsError
from protocol.enums import ResultReason
from tests.domain.objects import NOW, key


def test_blocks_are_set_aside_until_nothing_is_left() -> None:
    made = key()
    grants = []
    for _ in range(3):
        made, granted = reserve(made, 4, maximum=10)
        grants.append(granted)
    assert grants == [4, 4, 2]
    assert reserved(made) == 10
    with pytest.raises(KmsError, match="re-key or rotate") as refused:
        reserve(made, 4, maximum=10)
    assert refused.value.reason == ResultReason.USAGE_LIMIT_EXCEEDED


def test_the_bound_is_that_of_nist() -> None:
    made, granted = reserve(key(), 1 << 40)
    assert granted == encryptions.MAXIMUM == 2**32
    with pytest.raises(KmsError):
        reserve(made, 1)


def test_new_material_begins_anew() -> None:
    made, _ = reserve(key(), 5)
    attributes = rekey.inherited(made, type(made.attributes)(), None, NOW)
    assert reserved(made.with_attributes(attributes)) == 0

"""Objects as rows: what is kept of attributes that many objects share gives the same rows as working it out anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.domain.objects import AttributeSet, ManagedObject, Shared, single
from kmsd.domain.terms import UNINDEXED, terms
from kmsd.storage import rows
from protocol.attributes import Attribute, dump_attributes
from protocol.enums import CryptographicAlgorithm, CryptographicUsageMask, HashingAlgorithm, KeyFormatType
from protocol.structures import Digest
from tests.storage.samples import aes_key


def make(attributes: AttributeSet) -> ManagedObject:
    return aes_key().with_attributes(attributes)


VALUES: dict[str, st.SearchStrategy[object]] = {
    "Cryptographic Algorithm": st.sampled_from(CryptographicAlgorithm),
    "Cryptographic Length": st.integers(-1, 4096),
    "Cryptographic Usage Mask": st.integers(0, 0xFFFFF).map(CryptographicUsageMask),
    "Fresh": st.booleans(),
    "Initial Date": st.integers(-(2**40), 2**40),
    "Digest": st.builds(
        Digest,
        hashing_algorithm=st.sampled_from(HashingAlgorithm),
        digest_value=st.binary(max_size=40),
        key_format_type=st.sampled_from(KeyFormatType),
    ),
    "Short Unique Identifier": st.binary(min_size=1, max_size=40),
    "Object Group": st.text(max_size=70),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_kept_of_shared_attributes_gives_the_same_row(values: dict[str, object]) -> None:
    obj = aes_key(uid="one").with_attributes(AttributeSet().set_all(values))
    apart = obj.with_attributes(AttributeSet.of({name: (Attribute(name, value),) for name, value in values.items()}))
    for _ in range(2):
        entry = rows.encode(obj, 1)
        assert entry.row.attributes == dump_attributes(tuple(apart.attributes))
        indexed = terms(apart.with_attributes(apart.attributes.set_all(dict.fromkeys(UNINDEXED))))
        assert entry.terms == indexed
        assert entry == rows.encode(apart, 1)


def test_equal_numbers_of_different_types_are_not_mistaken_for_each_other() -> None:
    number, truth = single("Fresh", 1), single("Fresh", True)
    assert type(number) is Shared
    assert number is not truth
    assert rows.encode(make(AttributeSet.of({"Fresh": truth})), 1).row.attributes == dump_attributes(tuple(truth))


def test_what_is_kept_is_bounded() -> None:
    for date in range(rows.MOST_SHARED + 10):
        rows.encode(make(AttributeSet().set("Initial Date", date)), 1)
    assert len(rows._SHARED) <= rows.MOST_SHARED


def test_what_one_object_has_for_itself_is_not_kept() -> None:
    before = dict(rows._SHARED)
    rows.encode(make(AttributeSet().set("Short Unique Identifier", bytes(32))), 1)
    assert rows._SHARED.keys() == before.keys()


def test_an_attribute_that_no_version_knows_is_not_left_out_silently() -> None:
    with pytest.raises(ValueError, match="no attribute"):
        rows.encode(make(AttributeSet.of({"Colour": (Attribute("Colour", 1),)})), 1)

"""What a query finds: KMIP 1.4 §4.9, 2.1 §6.1.28, one rule a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmsd.domain import locate
from kmsd.domain import terms as terms_module
from kmsd.domain.errors import KmsError
from kmsd.domain.locate import LARGEST_DATE, Between, LocateQuery, matches, overdue, prepare
from kmsd.domain.objects import ManagedObject
from kmsd.domain.terms import Term, number, terms
from protocol.attributes import ATTRIBUTES, Attribute
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    LinkType,
    NameType,
    ObjectGroupMember,
    ObjectType,
    PaddingMethod,
    ResultReason,
    State,
    StorageStatusMask,
    UsageLimitsUnit,
)
from protocol.structures import CryptographicParameters, Link, Name, UsageLimits, X509CertificateSubject
from protocol.ttlv import Item, ItemType
from tests.storage.samples import NOW, aes_key, custom, name

MASK = CryptographicUsageMask


def all_terms(obj: ManagedObject) -> frozenset[Term]:
    own, kind = terms(obj)
    assert not own & kind
    return own | kind


def link(kind: LinkType, to: str) -> Attribute:
    return Attribute("Link", Link(link_type=kind, linked_object_identifier=to))


def limits(total: int, count: int | None, unit: UsageLimitsUnit = UsageLimitsUnit.BYTE) -> Attribute:
    value = UsageLimits(usage_limits_total=total, usage_limits_count=count, usage_limits_unit=unit)
    return Attribute("Usage Limits", value)


KEY = aes_key(
    name("app/key"),
    Attribute("Name", Name(name_value="urn:key", name_type=NameType.URI)),
    link(LinkType.PARENT_LINK, "one"),
    link(LinkType.CHILD_LINK, "two"),
    Attribute("Object Group", "first"),
    Attribute("Object Group", "second"),
    Attribute("Activation Date", NOW + 100),
    limits(1000, 500),
    Attribute(
        "Cryptographic Parameters",
        CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5),
    ),
    custom("x-team", "storage"),
    Attribute("x-number", Item(0x42000B, ItemType.INTEGER, 5)),
)


def asked(*conditions: Attribute) -> LocateQuery:
    return LocateQuery("acme", conditions)


FOUND = {
    "nothing asked": (),
    "object type": (Attribute("Object Type", ObjectType.SYMMETRIC_KEY),),
    "state": (Attribute("State", State.PRE_ACTIVE),),
    "unique identifier": (Attribute("Unique Identifier", KEY.uid),),
    "name and its type": (name("app/key"),),
    "two names": (name("app/key"), Attribute("Name", Name(name_value="urn:key", name_type=NameType.URI))),
    "index is ignored": (replace(name("app/key"), index=7),),
    "two groups": (Attribute("Object Group", "first"), Attribute("Object Group", "second")),
    "both fields of one link": (link(LinkType.CHILD_LINK, "two"),),
    "one field of a structure": (
        Attribute("Cryptographic Parameters", CryptographicParameters(padding_method=PaddingMethod.PKCS5)),
    ),
    "no field of a structure": (Attribute("Cryptographic Parameters", CryptographicParameters()),),
    "fewer bits": (Attribute("Cryptographic Usage Mask", MASK.ENCRYPT),),
    "no bits": (Attribute("Cryptographic Usage Mask", MASK(0)),),
    "exact date": (Attribute("Activation Date", NOW + 100),),
    "limits of a range are inside": (
        Attribute("Activation Date", NOW + 100),
        Attribute("Activation Date", NOW + 100),
    ),
    "range in either order": (Attribute("Activation Date", NOW + 200), Attribute("Activation Date", NOW)),
    "range to the end of time": (
        Attribute("Activation Date", NOW),
        Attribute("Activation Date", LARGEST_DATE),
    ),
    "undefined date within a range to the end of time": (
        Attribute("Deactivation Date", NOW),
        Attribute("Deactivation Date", LARGEST_DATE),
    ),
    "largest date is undefined": (Attribute("Deactivation Date", LARGEST_DATE),),
    "less than the limits left": (limits(900, 400),),
    "custom text": (custom("x-team", "storage"),),
    "custom number": (Attribute("x-number", Item(0x42000B, ItemType.INTEGER, 5)),),
}
NOT_FOUND = {
    "other object type": (Attribute("Object Type", ObjectType.PUBLIC_KEY),),
    "other state": (Attribute("State", State.ACTIVE),),
    "other unique identifier": (Attribute("Unique Identifier", "else"),),
    "prefix of a name": (name("app/"),),
    "name of another type": (Attribute("Name", Name(name_value="app/key", name_type=NameType.URI)),),
    "one of two names": (name("app/key"), name("app/other")),
    "fields of two links": (link(LinkType.PARENT_LINK, "two"),),
    "more bits": (Attribute("Cryptographic Usage Mask", MASK.ENCRYPT | MASK.SIGN),),
    "other date": (Attribute("Activation Date", NOW + 101),),
    "outside a range": (Attribute("Activation Date", NOW), Attribute("Activation Date", NOW + 99)),
    "range of an undefined date": (
        Attribute("Deactivation Date", 0),
        Attribute("Deactivation Date", LARGEST_DATE - 1),
    ),
    "defined date asked as undefined": (Attribute("Activation Date", LARGEST_DATE),),
    "earlier than a range to the end of time": (
        Attribute("Activation Date", NOW + 101),
        Attribute("Activation Date", LARGEST_DATE),
    ),
    "more than the limits left": (limits(900, 501),),
    "limits of another unit": (limits(1, 1, UsageLimitsUnit.OBJECT),),
    "attribute that it lacks": (Attribute("Certificate Length", 1),),
    "custom attribute that it lacks": (custom("x-other", "storage"),),
    "custom number as another type": (Attribute("x-number", Item(0x42000B, ItemType.ENUMERATION, 5)),),
    "one of all": (Attribute("Cryptographic Length", 256), Attribute("Cryptographic Length", 128)),
}


@pytest.mark.parametrize("conditions", FOUND.values(), ids=FOUND)
def test_an_object_is_found_by(conditions: tuple[Attribute, ...]) -> None:
    assert matches(asked(*conditions), KEY)


@pytest.mark.parametrize("conditions", NOT_FOUND.values(), ids=NOT_FOUND)
def test_an_object_is_not_found_by(conditions: tuple[Attribute, ...]) -> None:
    assert not matches(asked(*conditions), KEY)


def test_another_tenant_finds_nothing() -> None:
    assert not matches(LocateQuery("bank"), KEY)


@pytest.mark.parametrize("value", [5, b"\x05", "n05"])
def test_a_vendor_attribute_is_its_vendor_s_alone(value: object) -> None:
    kinds = {int: ItemType.INTEGER, bytes: ItemType.BYTE_STRING, str: ItemType.TEXT_STRING}
    vendor = Attribute("tier", Item(0x42000B, kinds[type(value)], value), vendor="ACME")  # type: ignore[arg-type]
    key = aes_key(vendor)
    assert matches(asked(vendor), key)
    assert not matches(asked(replace(vendor, vendor="Other")), key)


def test_long_values_are_compared_whole() -> None:
    key = aes_key(Attribute("Object Group", "g" * 5000 + "a"))
    assert matches(asked(Attribute("Object Group", "g" * 5000 + "a")), key)
    assert not matches(asked(Attribute("Object Group", "g" * 5000 + "b")), key)


def test_a_value_cannot_pose_as_another_field() -> None:
    key = aes_key(custom("x-a", "one\x1fpath\x1fttwo"))
    assert not matches(asked(custom("x-a\x1f:7\x1ftone", "ttwo")), key)
    assert matches(asked(custom("x-a", "one\x1fpath\x1fttwo")), key)


STATUSES = {
    "on-line": (KEY, StorageStatusMask.ON_LINE_STORAGE),
    "archived": (
        KEY.with_attributes(KEY.attributes.set("Archive Date", NOW)),
        StorageStatusMask.ARCHIVAL_STORAGE,
    ),
    "destroyed": (replace(KEY, state=State.DESTROYED), StorageStatusMask.DESTROYED_STORAGE),
    "destroyed while archived": (
        replace(KEY, state=State.DESTROYED_COMPROMISED, attributes=KEY.attributes.set("Archive Date", NOW)),
        StorageStatusMask.DESTROYED_STORAGE,
    ),
    "destroyed without a state": (
        replace(KEY, state=None, attributes=KEY.attributes.set("Destroy Date", NOW)),
        StorageStatusMask.DESTROYED_STORAGE,
    ),
}


@pytest.mark.parametrize(("obj", "status"), STATUSES.values(), ids=STATUSES)
def test_an_object_has_one_storage_status(obj: object, status: StorageStatusMask) -> None:
    for mask in StorageStatusMask:
        assert matches(LocateQuery("acme", storage_status_mask=mask), obj) == (mask == status)  # type: ignore[arg-type]
    assert matches(LocateQuery("acme", storage_status_mask=StorageStatusMask(7)), obj)  # type: ignore[arg-type]
    assert not matches(LocateQuery("acme", storage_status_mask=StorageStatusMask(0)), obj)  # type: ignore[arg-type]


def test_only_on_line_objects_are_found_where_no_mask_is_given() -> None:
    assert matches(LocateQuery("acme"), KEY)
    assert not matches(LocateQuery("acme"), replace(KEY, state=State.DESTROYED))


def test_fresh_members_of_a_group() -> None:
    query = LocateQuery(
        "acme", (Attribute("Object Group", "first"),), object_group_member=ObjectGroupMember.GROUP_MEMBER_FRESH
    )
    assert matches(query, KEY)
    assert not matches(query, KEY.set("Fresh", False))


REFUSED = {
    "unknown attribute": (
        asked(Attribute("Cryptographic Strength", Item(0x42000B, ItemType.INTEGER, 5))),
        ResultReason.INVALID_FIELD,
    ),
    "value that does not decode as the attribute's": (
        asked(Attribute("Cryptographic Length", Item(0x42000B, ItemType.TEXT_STRING, "256"))),
        ResultReason.INVALID_FIELD,
    ),
    "three dates": (asked(*(Attribute("Activation Date", date) for date in (1, 2, 3))), ResultReason.INVALID_FIELD),
    "group member without a group": (
        LocateQuery("acme", object_group_member=ObjectGroupMember.GROUP_MEMBER_FRESH),
        ResultReason.INVALID_FIELD,
    ),
    "unknown member of a group": (
        LocateQuery(
            "acme",
            (Attribute("Object Group", "first"),),
            object_group_member=ObjectGroupMember(9),
        ),
        ResultReason.INVALID_FIELD,
    ),
}


@pytest.mark.parametrize(("query", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_searched_is_refused(query: LocateQuery, reason: ResultReason) -> None:
    with pytest.raises(KmsError) as refusal:
        prepare(query)
    assert refusal.value.reason == reason


def test_numbers_are_ordered_as_texts() -> None:
    near = {sign * (1 << bits) + step for bits in range(64) for sign in (1, -1) for step in (-1, 0, 1)}
    values = sorted(value for value in near if -(1 << 63) <= value < 1 << 63)
    assert sorted(map(number, values)) == [number(value) for value in values]
    assert len(set(map(number, values))) == len(values)
    assert number(1 << 63) != number(0)


def test_a_mask_and_a_number_of_one_value_differ() -> None:
    # AES is 3, as is Sign|Verify.
    key = aes_key()
    assert key.algorithm == CryptographicAlgorithm.AES == MASK.SIGN | MASK.VERIFY
    assert not matches(asked(Attribute("Cryptographic Usage Mask", MASK.SIGN)), key)


def test_each_of_a_repeated_field_s_values_is_found() -> None:
    def subject(*names: bytes) -> Attribute:
        value = X509CertificateSubject(subject_distinguished_name=b"cn=a", subject_alternative_names=names)
        return Attribute("X.509 Certificate Subject", value)

    key = aes_key(subject(b"one", b"two"))
    assert matches(asked(subject(b"two")), key)
    assert matches(asked(subject(b"two", b"one")), key)
    assert not matches(asked(subject(b"two", b"three")), key)


def test_an_attribute_that_is_not_searched_by_is_refused_and_not_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ATTRIBUTES, "Comment", replace(ATTRIBUTES["Comment"], searchable=False))
    # What other tests have asked of the attribute is remembered.
    monkeypatch.setattr(terms_module, "_prefix_of", terms_module._prefix_of.__wrapped__)
    comment = Attribute("Comment", "for nobody")
    with pytest.raises(KmsError) as refusal:
        prepare(asked(comment))
    assert refusal.value.reason == ResultReason.FEATURE_NOT_SUPPORTED
    assert not any("nobody" in term for term, _ in all_terms(aes_key(comment)))


def test_what_is_no_attribute_is_not_indexed() -> None:
    assert not any(term.startswith("Strength") for term, _ in all_terms(aes_key(Attribute("Strength", 5))))


def test_a_value_of_no_kmip_type_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="float"):
        prepare(asked(Attribute("Cryptographic Length", 1.5)))


def test_what_is_overdue_is_found_whatever_its_storage_status() -> None:
    search = overdue("acme", NOW)
    assert search.tenant == "acme"
    assert set(search.statuses) == {int(status) for status in StorageStatusMask}
    due = {term for term, _ in all_terms(aes_key(Attribute("Activation Date", NOW)))}
    not_due = {term for term, _ in all_terms(aes_key(Attribute("Activation Date", NOW + 1)))}
    (between,) = search.conditions
    assert isinstance(between, Between)
    assert any(between.low <= term <= between.high for term in due)
    assert not any(between.low <= term <= between.high for term in not_due)


def test_objects_that_differ_in_names_dates_and_links_are_of_one_kind() -> None:
    one = aes_key(name("one"), Attribute("Activation Date", NOW), link(LinkType.PARENT_LINK, "p"))
    other = aes_key(name("other"), created=NOW + 9)
    assert terms(one).kind == terms(other).kind
    assert terms(one).own != terms(other).own
    longer = aes_key(Attribute("Fresh", False))
    assert terms(longer).kind != terms(one).kind


def test_a_kind_knows_masks_from_numbers() -> None:
    (mask,) = prepare(asked(Attribute("Cryptographic Usage Mask", MASK.DECRYPT))).kind
    assert isinstance(mask, locate.AllOf)
    assert {(term, 0) for term in mask.terms} <= terms(KEY).kind

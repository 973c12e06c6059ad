"""Locate in SQL finds exactly what `matches` finds, newest first, and by an index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsd.domain.locate import LARGEST_DATE, LocateQuery, matches, prepare
from kmsd.domain.objects import AttributeSet, ManagedObject
from kmsd.storage import Store
from kmsd.storage import query as sql
from kmsd.storage.rows import encode
from kmsd.storage.transaction import Change, Unit
from protocol.attributes import Attribute
from protocol.enums import (
    BlockCipherMode,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    LinkType,
    NameType,
    ObjectType,
    PaddingMethod,
    State,
    StorageStatusMask,
    UsageLimitsUnit,
)
from protocol.structures import CryptographicParameters, Digest, Link, Name, UsageLimits
from protocol.ttlv import Item, ItemType
from tests.storage.samples import NOW, aes_key, name


def add(store: Store, *objects: ManagedObject) -> None:
    """In this order, so that of one Initial Date the last is the newest."""
    assert store._transactions.write([Unit(tuple(encode(obj, 1) for obj in objects), (), ())]) == [None]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("store") / "kmsd.db") as opened:
        yield opened


# Few values, so that queries meet objects often.
small = st.integers(0, 3)
dates = st.sampled_from([-5, 0, 1, 2, 3, LARGEST_DATE - 1, LARGEST_DATE])
optional = st.none()
texts = st.sampled_from(["a", "b", "a\x1fb", "", "é" * 200, "é" * 201])


def item(kind: ItemType, values: st.SearchStrategy[object]) -> st.SearchStrategy[Item]:
    return values.map(lambda value: Item(0x42000B, kind, value))  # type: ignore[arg-type]


scalars = st.one_of(
    item(ItemType.INTEGER, small),
    item(ItemType.ENUMERATION, small),
    item(ItemType.TEXT_STRING, texts),
    item(ItemType.BYTE_STRING, st.sampled_from([b"", b"a", b"a" * 500])),
    item(ItemType.DATE_TIME, dates),
    item(ItemType.BIG_INTEGER, st.sampled_from([0, 1, 1 << 80, -(1 << 80)])),
)
structures = st.lists(
    st.builds(lambda tag, value: replace(value, tag=tag), st.sampled_from([0x540001, 0x540002]), scalars), max_size=3
).map(lambda children: Item(0x42000B, ItemType.STRUCTURE, tuple(children)))
attributes = st.one_of(
    st.builds(
        lambda text, kind: Attribute("Name", Name(name_value=text, name_type=kind)), texts, st.sampled_from(NameType)
    ),
    st.builds(
        lambda kind, to: Attribute("Link", Link(link_type=kind, linked_object_identifier=to)),
        st.sampled_from([LinkType.PARENT_LINK, LinkType.CHILD_LINK]),
        texts,
    ),
    st.builds(
        lambda mode, padding: Attribute(
            "Cryptographic Parameters",
            CryptographicParameters(block_cipher_mode=mode, padding_method=padding),
        ),
        st.sampled_from([None, BlockCipherMode.CBC, BlockCipherMode.GCM]),
        st.sampled_from([None, PaddingMethod.NONE, PaddingMethod.PKCS5]),
    ),
    st.builds(
        lambda total, count, unit: Attribute(
            "Usage Limits",
            UsageLimits(usage_limits_total=total, usage_limits_count=count, usage_limits_unit=unit),
        ),
        small,
        st.none() | small,
        st.sampled_from(UsageLimitsUnit),
    ),
    st.builds(
        lambda algorithm, value, form: Attribute(
            "Digest", Digest(hashing_algorithm=algorithm, digest_value=value, key_format_type=form)
        ),
        st.sampled_from([HashingAlgorithm.SHA_256, HashingAlgorithm.SHA_1]),
        st.sampled_from([None, b"", b"a", b"ab", bytes(32)]),
        st.sampled_from([None, KeyFormatType.RAW]),
    ),
    st.builds(lambda bits: Attribute("Cryptographic Usage Mask", CryptographicUsageMask(bits)), st.integers(0, 15)),
    st.builds(Attribute, st.just("Object Group"), texts),
    st.builds(Attribute, st.just("Short Unique Identifier"), st.sampled_from([b"", b"a", bytes(32)])),
    st.builds(Attribute, st.just("Cryptographic Length"), small),
    st.builds(Attribute, st.just("Fresh"), st.booleans()),
    st.builds(Attribute, st.sampled_from(["Activation Date", "Initial Date", "Archive Date"]), dates),
    st.builds(Attribute, st.sampled_from(["x-a", "x-a\x1fb"]), scalars | structures),
)
objects = st.builds(
    lambda chosen, kind, state: ManagedObject(
        uid=str(uuid.uuid4()),
        tenant="",
        owner="o",
        object_type=kind,
        protection=aes_key().protection,
        state=state,
        attributes=AttributeSet(chosen),
        material=None,
    ),
    st.lists(attributes, max_size=8),
    st.sampled_from([ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY]),
    st.sampled_from([None, State.ACTIVE, State.PRE_ACTIVE, State.DESTROYED]),
)
asked = (
    attributes
    | st.builds(Attribute, st.just("State"), st.sampled_from(State))
    | st.builds(Attribute, st.just("Object Type"), st.sampled_from([ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY]))
)
queries = st.builds(
    lambda conditions, mask, offset, most: LocateQuery("", tuple(conditions), most, offset, mask),
    st.lists(asked, max_size=4),
    st.none() | st.integers(0, 7).map(StorageStatusMask),
    st.integers(0, 2),
    st.none() | st.integers(0, 3),
)


def without_names(obj: ManagedObject) -> ManagedObject:
    return replace(obj, attributes=obj.attributes.remove("Name"))


def as_tenant(obj: ManagedObject, tenant: str, taken: set[str]) -> ManagedObject:
    """Of the test's tenant, its names its own: the store refuses a name that another holds."""
    if len(set(obj.names)) != len(obj.names) or taken & set(obj.names):
        obj = without_names(obj)
    taken |= set(obj.names)
    return replace(obj, tenant=tenant)


@settings(max_examples=150)
@given(st.lists(objects, min_size=1, max_size=7), st.lists(queries, min_size=1, max_size=8))
def test_sql_finds_what_the_domain_matches(store: Store, drawn: list[ManagedObject], wanted: list[LocateQuery]) -> None:
    tenant = str(uuid.uuid4())
    taken: set[str] = set()
    stored = [as_tenant(obj, tenant, taken) for obj in drawn]
    add(store, *stored)
    newest_first = sorted(
        enumerate(stored), key=lambda pair: (pair[1].attributes.get("Initial Date", 0), pair[0]), reverse=True
    )
    for query in (replace(query, tenant=tenant) for query in wanted if not too_many_dates(query)):
        matching = [obj for _, obj in newest_first if matches(query, obj)]
        for streams in (sql.MOST_STREAMS, 1):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sql, "MOST_STREAMS", streams)
                check(store, query, matching)


def check(store: Store, query: LocateQuery, matching: list[ManagedObject]) -> None:
    assert store.count(query) == len(matching)
    stop = None if query.maximum_items is None else query.offset_items + query.maximum_items
    expected = [obj.uid for obj in matching][query.offset_items : stop]
    assert store.locate(query) == expected
    assert store.locate(query, lambda _: True) == expected
    accepted = {obj.uid for obj in matching[::2]}
    kept = [obj.uid for obj in matching if obj.uid in accepted][query.offset_items : stop]
    assert store.locate(query, lambda obj: obj.uid in accepted) == kept
    assert store.count(query, lambda obj: obj.uid in accepted) == len(accepted)
    assert not store._reader.in_transaction


def too_many_dates(query: LocateQuery) -> bool:
    names = [attribute.key for attribute in query.conditions]
    return any(names.count(key) > 2 for key in names)


def test_a_unique_identifier_finds_its_object_with_all_other_conditions(store: Store) -> None:
    key = aes_key(name("by-uid"))
    add(store, key)
    by_uid = Attribute("Unique Identifier", key.uid)
    assert store.locate(LocateQuery("acme", (by_uid, name("by-uid")))) == [key.uid]
    assert store.locate(LocateQuery("acme", (by_uid, name("else")))) == []
    assert store.locate(LocateQuery("bank", (by_uid,))) == []
    assert store.locate(LocateQuery("acme", (by_uid,), offset_items=1)) == []
    assert store.count(LocateQuery("acme", (by_uid,))) == 1


def test_newest_first_and_of_one_second_the_last_stored(store: Store) -> None:
    keys = [aes_key(tenant="order", created=NOW + age) for age in (5, 9, 5, 7)]
    add(store, *keys)
    expected = [keys[1].uid, keys[3].uid, keys[2].uid, keys[0].uid]
    assert store.locate(LocateQuery("order")) == expected
    assert store.locate(LocateQuery("order", (Attribute("Fresh", True),))) == expected


PLANS = {
    "everything": (),
    "name": (name("a"),),
    "state and type": (Attribute("State", State.ACTIVE), Attribute("Object Type", ObjectType.SYMMETRIC_KEY)),
    "range": (Attribute("Activation Date", 1), Attribute("Activation Date", 2)),
    "mask": (Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT),),
    "custom attribute": (Attribute("x-a", Item(0x42000B, ItemType.TEXT_STRING, "b")),),
    "undefined date": (Attribute("Activation Date", LARGEST_DATE),),
}


def plans(store: Store, conditions: tuple[Attribute, ...], output: str, limit: int = -1) -> list[str]:
    """How SQLite would run each statement of the search."""
    connection, statements = store._reader, []
    search = prepare(LocateQuery("acme", conditions))
    connection.set_trace_callback(statements.append)
    try:
        if output == "count":
            sql.count(connection, search)
        else:
            list(sql.select(connection, search, output, limit))
    finally:
        connection.set_trace_callback(None)
    found = []
    for text in statements:
        if text.startswith("SELECT"):
            explained = connection.execute("EXPLAIN QUERY PLAN " + text, [None] * text.count("?"))
            found += [row[3] for row in explained]
    return found


@pytest.mark.parametrize("output", ["uid", "object", "count"])
@pytest.mark.parametrize("streams", [sql.MOST_STREAMS, 0])
@pytest.mark.parametrize("conditions", PLANS.values(), ids=PLANS)
def test_no_statement_scans_a_table(
    store: Store, monkeypatch: pytest.MonkeyPatch, conditions: tuple[Attribute, ...], streams: int, output: str
) -> None:
    monkeypatch.setattr(sql, "MOST_STREAMS", streams)
    add(store, aes_key())
    plan = plans(store, conditions, output)
    assert plan
    # What is counted has been limited, and json_each is a list of ours.
    assert not [step for step in plan if step.startswith("SCAN") and step not in SMALL]
    if prepare(LocateQuery("acme", conditions)).conditions and conditions != PLANS["undefined date"]:
        assert any(step.startswith("SEARCH d USING PRIMARY KEY (tenant=? AND term") for step in plan)
        assert "SEARCH objects USING INTEGER PRIMARY KEY (rowid=?)" in plan


SMALL = ("SCAN anon_1", "SCAN anon_1 VIRTUAL TABLE INDEX 1:", "SCAN (subquery-1)")


@pytest.mark.parametrize("conditions", [PLANS["everything"], PLANS["custom attribute"], PLANS["mask"]])
def test_the_newest_come_from_the_index_without_sorting(store: Store, conditions: tuple[Attribute, ...]) -> None:
    add(store, aes_key())
    assert not [step for step in plans(store, conditions, "uid", 100) if "TEMP B-TREE" in step]


def test_a_page_of_many_kinds_is_read_no_further_than_needed(store: Store) -> None:
    """Two kinds of many objects each: the work for the newest few does not grow with the objects."""

    def steps(tenant: str, number: int) -> int:
        keys = [aes_key(Attribute("Fresh", age % 2 == 0), tenant=tenant, created=NOW + age) for age in range(number)]
        add(store, *keys)
        done = 0

        def count_steps() -> None:
            nonlocal done
            done += 1

        store._reader.set_progress_handler(count_steps, 1)
        try:
            query = LocateQuery(tenant, (Attribute("Object Type", ObjectType.SYMMETRIC_KEY),), maximum_items=4)
            assert store.locate(query) == [key.uid for key in keys[:-5:-1]]
        finally:
            store._reader.set_progress_handler(None, 1)
        return done

    assert steps("forty", 40) == steps("four hundred", 400)


def test_an_object_that_changes_is_found_by_its_new_kind_alone(store: Store) -> None:
    key = replace(aes_key(tenant="changing"), version=1)
    add(store, key)
    changed = key.set("Fresh", False)
    assert store._transactions.write([Unit((), (Change(encode(key, 1), encode(changed, 2)),), ())]) == [None]
    for fresh in (True, False):
        query = LocateQuery("changing", (Attribute("Fresh", fresh),))
        assert store.locate(query) == ([] if fresh else [key.uid])
        assert store.count(query) == (0 if fresh else 1)


def test_kinds_are_a_tenants_own(store: Store) -> None:
    add(store, aes_key(tenant="one of two"), aes_key(tenant="two of two"))
    for tenant in ("one of two", "two of two"):
        assert len(store.locate(LocateQuery(tenant, (Attribute("Fresh", True),)))) == 1


def test_a_kind_that_was_rolled_back_is_made_again(store: Store) -> None:
    transactions = store._transactions
    entry = encode(aes_key(Attribute("Lease Time", 12345), tenant="rolled back"), 1)
    transactions.begin()
    assert transactions.fill([Unit((entry,), (), ())]) == [None]
    transactions._end("ROLLBACK")
    assert transactions.write([Unit((entry,), (), ())]) == [None]
    assert store.locate(LocateQuery("rolled back", (Attribute("Lease Time", 12345),))) == [entry.row.uid]


def test_the_rarest_condition_leads(store: Store) -> None:
    add(store, *[aes_key(tenant="rare") for _ in range(20)], rare := aes_key(name("rare"), tenant="rare"))
    query = LocateQuery("rare", (Attribute("Initial Date", NOW), name("rare")))
    driver, _ = sql._choose(store._reader, prepare(query))
    assert "trare" in str(driver)
    assert store.locate(query) == [rare.uid]


def test_a_tenant_of_many_kinds_is_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmsd.storage.store.MANY_KINDS", 3)
    for number in range(3):
        assert not store.has_many_kinds("varied")
        add(store, aes_key(Attribute("Lease Time", number), tenant="varied"))
    assert store.has_many_kinds("varied")
    assert not store.has_many_kinds("plain")

"""The text form of a record: one line, one spelling, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.audit import StoredRecord, canonical_text, parse_text, record_of
from kmsd.domain.records import AuditRecord, Origin

NOW = 1_800_000_000_000_000
ORIGIN = Origin("acme", "app", "192.0.2.1:1", "71-1", "theirs")
texts = st.text(max_size=20)
stored_records = st.builds(
    StoredRecord,
    st.integers(1, 1 << 60),
    st.builds(
        AuditRecord,
        time=st.integers(0, 1 << 60),
        tenant=texts,
        client=texts,
        address=texts,
        operation=texts,
        uid=st.none() | texts,
        result=texts,
        reason=st.none() | texts,
        detail=st.none() | texts,
        server_correlation_value=st.none() | texts,
        client_correlation_value=st.none() | texts,
    ),
)


@given(stored_records)
def test_a_record_is_one_ascii_line_that_reads_back(stored: StoredRecord) -> None:
    line = canonical_text(stored)
    assert line.isascii()
    assert line.isprintable()
    assert parse_text(line) == stored


def test_the_text_is_the_same_for_ever() -> None:
    record = AuditRecord(
        time=1_764_000_000_000_001,
        tenant="acme",
        client='a"\n\u00e9',
        address="127.0.0.1",
        operation="Get",
        uid="42",
        result="Operation Failed",
        reason="Permission Denied",
    )
    assert canonical_text(StoredRecord(7, record)) == (
        '{"sequence":7,"time":1764000000000001,"tenant":"acme","client":"a\\"\\n\\u00e9",'
        '"address":"127.0.0.1","operation":"Get","uid":"42","result":"Operation Failed",'
        '"reason":"Permission Denied"}'
    )


GOOD = '{"sequence":1,"time":2,"tenant":"t","client":"c","address":"a","operation":"o","result":"Success"}'


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        GOOD.replace(",", ", "),
        GOOD.replace('"time":2,', ""),
        GOOD.replace('"time":2', '"time":2,"time":3'),
        GOOD.replace('"result"', '"extra":1,"result"'),
        GOOD.replace('"result":"Success"', '"result":"Success","uid":null'),
        GOOD.replace('"time":2', '"time":"2"'),
        GOOD.replace('"sequence":1,', ""),
        GOOD + "\n",
    ],
)
def test_what_was_not_written_so_is_refused(line: str) -> None:
    assert canonical_text(parse_text(GOOD)) == GOOD
    with pytest.raises(ValueError):  # noqa: PT011 - every one has its own text
        parse_text(line)


def test_a_record_names_the_first_object_and_stays_short_whatever_was_sent() -> None:
    one = record_of(NOW, ORIGIN, "GET", "SUCCESS", None, ["first", "kek", "first"])
    assert (one.uid, one.detail) == ("first", "kek")
    none = record_of(NOW, ORIGIN, "QUERY", "SUCCESS", None)
    assert (none.uid, none.detail) == (None, None)
    many = record_of(NOW, ORIGIN, "LOCATE", "SUCCESS", None, [str(n) for n in range(100_000)])
    assert many.detail == " ".join(map(str, range(1, 16))) + " and 99984 more"
    long = record_of(NOW, ORIGIN, "GET", "OPERATION_FAILED", None, ["x" * 1_000_000]).uid
    assert long == "x" * 128 + "…"
    assert (one.server_correlation_value, one.client_correlation_value) == ("71-1", "theirs")
    called = record_of(NOW, ORIGIN._replace(client_correlation_value="x" * 1_000_000), "GET", "SUCCESS", None)
    assert called.client_correlation_value == "x" * 128 + "…"

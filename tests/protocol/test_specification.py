"""The declared tables of fields are those in the text of the specification, 1.4 and 2.1."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from protocol import administration, objects, schema, structures
from protocol.enums import KeyFormatType
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.schema import Choice, Chosen, Field, Formed, Kind, Leaf, is_structure, table_of
from protocol.ttlv import ItemType
from protocol.versions import ProtocolVersion
from tests.protocol import specification
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")

CLASSES = {cls.__name__: cls for spec in OPERATIONS.values() for cls in (spec.request, spec.response)}
# Captions that name another operation than their table's: version, caption, which occurrence of it.
MISNAMED = {
    ((1, 4), "Export Request Payload", 2): "ImportRequest",
    ((1, 4), "Export Response Payload", 2): "ImportResponse",
    ((2, 1), "PKCS#11 Response Payload", 2): "QueryAsynchronousRequestsResponse",
}
# Where the declaration deviates from the table on purpose.
DEVIATIONS = {
    ("ImportRequest", (1, 4)): "the object type is understood where a client sends it",
    ("ProcessResponse", (2, 1)): "the published messages echo the correlation value",
}
# Fields that a table requires and the declaration does not.
OPTIONAL = {
    ("AddAttributeResponse", "attribute"): "2.x has none",
    ("ModifyAttributeResponse", "attribute"): "2.x has none",
    ("DeleteAttributeResponse", "attribute"): "2.x has none",
    ("DeleteAttributeRequest", "attribute_reference"): "2.x may name the value instead",
    ("ImportRequest", "object_type"): "1.4 has none",
    ("ImportRequest", "attributes"): "none are understood as well",
    ("ExportResponse", "attributes"): "none are understood as well",
    ("NotifyRequest", "attributes"): "2.x does not require them",
    ("LocateRequest", "attributes"): "none are understood as well, and written as an empty structure",
    ("GetAttributesResponse", "attributes"): "none are understood as well, and written as an empty structure",
    ("GetAttributeListResponse", "attribute_references"): "none are understood as well",
    ("CheckResponse", "unique_identifier"): "a failure has none",
    ("SignatureVerifyResponse", "validity_indicator"): "a part of a verification in parts has none",
    ("MACVerifyResponse", "validity_indicator"): "a part of a verification in parts has none",
    ("QueryResponse", "protection_storage_masks"): "the published responses have none",
    ("SetConstraintsRequest", "constraints"): "a published request has none",
}


def payload_tables() -> Iterator[tuple[ProtocolVersion, type, specification.FieldTable]]:
    """The tables of payloads with their classes; of repeated captions (server to client) the first."""
    for version in specification.TEXTS if SHARED is not None else ():
        seen: Counter[str] = Counter()
        for table in specification.tables(version):
            caption = re.fullmatch(r"(.*) (Request|Response|Message) Payload", table.caption)
            if caption is None:
                continue
            seen[table.caption] += 1
            occurrence = seen[table.caption]
            name = re.sub(r"[^A-Za-z0-9]", "", caption[1].replace("Re-k", "ReK").replace("Re-c", "ReC"))
            name += "Request" if caption[2] == "Message" else caption[2]
            name = MISNAMED.get((version, table.caption, occurrence), name if occurrence == 1 else "")
            if name:
                yield ProtocolVersion(*version), CLASSES[name], table


def fields(cls: type, version: ProtocolVersion) -> Iterator[Field]:
    return (row for row in table_of(cls).fields if row.gate.covers(version))


def tag_of(row: Field, version: ProtocolVersion) -> int | None:
    """The tag of a field in a version, None for a managed object, which has many."""
    if not isinstance(row.kind, Formed):
        return row.tag
    first = version < (2, 0)
    match row.kind.marker:
        case schema.TwoForms(template, attributes):
            return template if first else attributes
        case schema.AttributeList():
            return Tag.ATTRIBUTE if first else Tag.ATTRIBUTES
        case schema.SingleAttribute(tag):
            return Tag.ATTRIBUTE if first else tag
        case schema.References():
            return Tag.ATTRIBUTE_NAME if first else Tag.ATTRIBUTE_REFERENCE
        case objects.AnyObject():
            return None
    raise AssertionError(row)


TABLES = list(payload_tables())
YES = r"Yes(?! for single-part)"


def label(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("version", "cls", "table"), TABLES, ids=label)
def test_a_payload_has_the_fields_of_its_table_in_their_order(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    declared = [tag_of(row, version) for row in fields(cls, version)]
    written = [specification.tag_of(row.name) for row in table.rows]
    assert (declared == written) is ((cls.__name__, tuple(version)) not in DEVIATIONS), (declared, written)


@pytest.mark.parametrize(("version", "cls", "table"), TABLES, ids=label)
def test_a_field_is_required_where_its_table_says_so(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    required = {row.name for row in fields(cls, version) if row.required}
    names = {tag_of(row, version): row.name for row in fields(cls, version)}
    said = [names[specification.tag_of(row.name)] for row in table.rows if re.match(YES, row.required)]
    assert required == {name for name in said if (cls.__name__, name) not in OPTIONAL}


OURS = {
    cls.__name__
    for operation, spec in OPERATIONS.items()
    if operation >= 0x80000000
    for cls in (spec.request, spec.response)
}
"""Payloads of kmsd's own operations, which no text has."""


def test_no_table_of_the_texts_is_missing() -> None:
    assert {cls.__name__ for _, cls, _ in TABLES} >= set(CLASSES) - OURS - {
        "NotifyResponse",
        "PutResponse",
        "PollResponse",
    }


# Structures: the table's first row is the structure itself.

STRUCTURES = {
    table_of(cls).tag: cls
    for module in (structures, objects, administration)
    for cls in vars(module).values()
    if is_structure(cls) and table_of(cls).tag not in (Tag.KEY_MATERIAL, Tag.CREDENTIAL_VALUE)
}
CREDENTIALS = {
    "the Username and Password Credential": structures.UsernameAndPassword,
    "the Device Credential": structures.DeviceCredential,
    "the Attestation Credential": structures.AttestationCredential,
    "the One Time Password Credential": structures.OneTimePasswordCredential,
    "the Hashed Password Credential": structures.HashedPasswordCredential,
    "the Ticket": structures.TicketCredential,
}
# Tables that cannot be compared row by row.
SKIPPED = {
    "Derivation Parameters Structure (Except PBKDF2)": "a part of the table of PBKDF2",
    "Protection Storage Mask Structure": "its row has a column too few",
    "Object Defaults Structure": "a row has a column too many",
    "Protocol Version Structure in Message Header": "not declared as a table of fields",
}
# Fields that a table requires, under conditions, and the declaration does not.
CONDITIONAL = {
    ("X509CertificateSubject", "subject_alternative_names"): "required beside an empty distinguished name",
    ("CertificateIdentifier", "serial_number"): "PGP certificates have none",
    ("Digest", "digest_value"): "required where the server has it",
    ("Digest", "key_format_type"): "required for keys",
    ("UsageLimits", "usage_limits_count"): "published requests have none",
    ("KeyBlock", "cryptographic_algorithm"): "required where the key value does not tell",
    ("KeyBlock", "cryptographic_length"): "required where the key value does not tell",
    ("DerivationParameters", "derivation_data"): "required where no secret data is named",
    ("DerivationParameters", "salt"): "required by PBKDF2",
    ("DerivationParameters", "iteration_count"): "required by PBKDF2",
}
ENCODINGS = {
    "structure": ItemType.STRUCTURE,
    "integer": ItemType.INTEGER,
    "long integer": ItemType.LONG_INTEGER,
    "big integer": ItemType.BIG_INTEGER,
    "enumeration": ItemType.ENUMERATION,
    "boolean": ItemType.BOOLEAN,
    "text string": ItemType.TEXT_STRING,
    "byte string": ItemType.BYTE_STRING,
    "date time extended": ItemType.DATE_TIME_EXTENDED,
}


def structure_tables() -> Iterator[tuple[ProtocolVersion, type, specification.FieldTable]]:
    for version in specification.TEXTS if SHARED is not None else ():
        for table in specification.tables(version):
            if table.caption in SKIPPED or not table.rows or not table.rows[0].encoding.startswith("Structure"):
                continue
            tag = specification.tag_of(table.rows[0].name)
            if tag == Tag.KEY_MATERIAL:
                key_format = table.caption.partition(" for ")[2].removesuffix("s").upper().replace(" ", "_")
                cls: type | None = objects.KEY_MATERIALS[KeyFormatType[key_format]]
            elif tag == Tag.CREDENTIAL_VALUE:
                cls = CREDENTIALS[table.caption.partition(" for ")[2]]
            else:
                cls = STRUCTURES.get(tag or 0)
            if cls is not None:
                yield ProtocolVersion(*version), cls, table


def encodings(kind: Kind, version: ProtocolVersion) -> set[ItemType]:
    """The item types that a value may have."""
    match kind:
        case Leaf() if kind.gate.covers(version):
            return set() if kind.item_type is None else {kind.item_type}
        case Choice():
            return set().union(*(encodings(member, version) for member in kind.members))
        case Chosen():
            return set().union(*(encodings(entry, version) for entry in kind.table.values()))
        case Leaf():
            return set()
    return {ItemType.STRUCTURE}


STRUCTURE_TABLES = list(structure_tables())


@pytest.mark.parametrize(("version", "cls", "table"), STRUCTURE_TABLES, ids=label)
def test_a_structure_has_the_fields_of_its_table_in_their_order(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    declared = [tag_of(row, version) for row in fields(cls, version)]
    assert declared == [specification.tag_of(row.name) for row in table.rows[1:]]


@pytest.mark.parametrize(("version", "cls", "table"), STRUCTURE_TABLES, ids=label)
def test_a_field_of_a_structure_is_required_where_its_table_says_so(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    required = {row.name for row in fields(cls, version) if row.required}
    names = {tag_of(row, version): row.name for row in fields(cls, version)}
    said = [names[specification.tag_of(row.name)] for row in table.rows[1:] if row.required.startswith("Yes")]
    assert required == {name for name in said if (cls.__name__, name) not in CONDITIONAL}


@pytest.mark.parametrize(("version", "cls", "table"), STRUCTURE_TABLES, ids=label)
def test_a_field_of_a_structure_has_the_item_types_of_its_table(
    version: ProtocolVersion, cls: type, table: specification.FieldTable
) -> None:
    words = "|".join(sorted(ENCODINGS, key=len, reverse=True))
    for row, said in zip(fields(cls, version), table.rows[1:], strict=True):
        named = {ENCODINGS[word] for word in re.findall(words, said.encoding.lower())}
        if named and not said.encoding.startswith(("Attribute", "Varies")):
            assert encodings(row.kind, version) == named, row.name


def test_no_declared_structure_is_without_a_table() -> None:
    assert set(STRUCTURES.values()) == {
        *(cls for _, cls, table in STRUCTURE_TABLES if specification.tag_of(table.rows[0].name) in STRUCTURES),
        # Their tables are named in SKIPPED, or not of this form.
        *(structures.ProtectionStorageMasks, structures.RotateName, administration.ObjectDefaults, ProtocolVersion),
    }

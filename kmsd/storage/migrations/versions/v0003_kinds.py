"""Terms that many objects have are those of a kind, stored once."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BINARY_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The tags of the attributes with few values: enumerations, masks, booleans, Cryptographic Length and Lease Time.
_OF_KIND = (
    "420057", "420028", "42002A", "42001D", "4200AE", "42002C", "420049", "42008D", "4200A8", "4200BB", "420120",
    "420121", "420122", "420123", "420042", "42013A", "420059", "420145", "42015E", "420147", "42016B", "420172",
)  # fmt: skip
_DUE = "42008D\x1fdue\x1f"
"""When time alone changes the State is an object's own."""

_terms = sa.table("terms", *(sa.column(name) for name in ("tenant", "term", "object", "instance")))
_objects = sa.table("objects", *(sa.column(name) for name in ("id", "tenant", "kind")))
_kinds = sa.table("kinds", *(sa.column(name) for name in ("id", "tenant", "digest")))
_kind_terms = sa.table("kind_terms", *(sa.column(name) for name in ("tenant", "term", "kind", "instance")))


def upgrade() -> None:
    op.create_table(
        "kinds",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kinds"),
    )
    op.create_index("uq_kinds_tenant_digest", "kinds", ["tenant", "digest"], unique=True)
    op.create_table(
        "kind_terms",
        sa.Column("tenant", _BINARY_TEXT, nullable=False),
        sa.Column("term", _BINARY_TEXT, nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["kind"], ["kinds.id"], name="fk_kind_terms_kind"),
        sa.PrimaryKeyConstraint("tenant", "term", "kind", "instance", name="pk_kind_terms"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    # A table that others refer to is made anew only while nobody looks at that.
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    op.add_column("objects", sa.Column("kind", sa.BigInteger()))
    _divide(connection)
    with op.batch_alter_table("objects", recreate="always") as batch:
        batch.alter_column("kind", existing_type=sa.BigInteger(), nullable=False)
        batch.create_foreign_key("fk_objects_kind", "kinds", ["kind"], ["id"])
    op.create_index("ix_objects_kind_storage_created", "objects", ["kind", "storage", "created"], unique=False)


def _divide(connection: sa.Connection) -> None:
    """Give every object its kind, and take the terms of the kind from the object's own."""
    tag, is_tag = sa.func.substr(_terms.c.term, 1, 7), [f"{tag}\x1f" for tag in _OF_KIND]
    of_kind = sa.and_(tag.in_(is_tag), sa.not_(_terms.c.term.startswith(_DUE, autoescape=True)))
    # One pass over each table: there is no index by which to join them.
    found: dict[int, list[tuple[str, int]]] = {}
    known: dict[tuple[str, int], tuple[str, int]] = {}
    for row in connection.execute(sa.select(_terms.c.object, _terms.c.term, _terms.c.instance).where(of_kind)):
        # Few are different: each is kept once.
        pair = (row[1], row[2])
        found.setdefault(row[0], []).append(known.setdefault(pair, pair))
    objects = connection.execute(sa.select(_objects.c.id, _objects.c.tenant).order_by(_objects.c.id)).fetchall()
    kinds: dict[tuple[str, frozenset[tuple[str, int]]], int] = {}
    for identity, tenant in objects:
        terms = frozenset(found.pop(identity, ()))
        if (tenant, terms) not in kinds:
            kinds[tenant, terms] = number = len(kinds) + 1
            text = "\x1e".join(f"{term}\x1f{instance}" for term, instance in sorted(terms))
            digest = hashlib.sha256(text.encode()).digest()
            connection.execute(_kinds.insert().values(id=number, tenant=tenant, digest=digest))
            for term, instance in terms:
                values = {"tenant": tenant, "term": term, "kind": number, "instance": instance}
                connection.execute(_kind_terms.insert().values(values))
        connection.exec_driver_sql("UPDATE objects SET kind = ? WHERE id = ?", (kinds[tenant, terms], identity))
    connection.execute(_terms.delete().where(of_kind))

"""The tables: one description for SQLite and PostgreSQL.

What Locate may ask of an object are its terms, see kmsd.domain.terms. `terms` is an inverted index of those that
are its own, one row per (term, instance). Its rows carry the creation date, so that one range of the primary key
gives the matches of a term newest first, and a second term of a known object is a point lookup. The other terms are
those of the object's kind, in `kind_terms`; the kinds of a tenant are few, and are never deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

# A range of terms is a range of bytes: the order of a language would break it.
_BINARY_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")

_RESIDENT = text("material_kind = 'resident'")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, nullable=False),
    Column("root", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name"),
)

kinds = Table(
    "kinds",
    metadata,
    Column("id", _SERIAL, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    Index("uq_kinds_tenant_digest", "tenant", "digest", unique=True),
)

kind_terms = Table(
    "kind_terms",
    metadata,
    Column("tenant", _BINARY_TEXT, nullable=False),
    Column("term", _BINARY_TEXT, nullable=False),
    Column("kind", BigInteger, ForeignKey("kinds.id"), nullable=False),
    Column("instance", Integer, nullable=False),
    PrimaryKeyConstraint("tenant", "term", "kind", "instance"),
    sqlite_with_rowid=False,
)

objects = Table(
    "objects",
    metadata,
    Column("id", _SERIAL, nullable=False),
    Column("uid", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("object_type", Integer, nullable=False),
    Column("protection", Text, nullable=False),
    Column("state", Integer),
    Column("storage", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attributes", LargeBinary, nullable=False),
    Column("material_kind", Text),
    Column("material_format", Integer),
    Column("material", LargeBinary),
    Column("kind", BigInteger, ForeignKey("kinds.id"), nullable=False),
    PrimaryKeyConstraint("id"),
    Index("uq_objects_uid_tenant", "uid", "tenant", unique=True),
    Index("ix_objects_tenant_storage_created", "tenant", "storage", "created"),
    Index("ix_objects_kind_storage_created", "kind", "storage", "created"),
    # Few rows: the objects whose material is in a token, which is held against the store at each start.
    Index("ix_objects_resident", "tenant", sqlite_where=_RESIDENT, postgresql_where=_RESIDENT),
)

names = Table(
    "names",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("object", BigInteger, ForeignKey("objects.id"), nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
    sqlite_with_rowid=False,
)

terms = Table(
    "terms",
    metadata,
    Column("tenant", _BINARY_TEXT, nullable=False),
    Column("term", _BINARY_TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("object", BigInteger, ForeignKey("objects.id"), nullable=False),
    Column("instance", Integer, nullable=False),
    PrimaryKeyConstraint("tenant", "term", "created", "object", "instance"),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", _SERIAL, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("uid", Text),
    Column("result", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("server_correlation_value", Text),
    Column("client_correlation_value", Text),
    PrimaryKeyConstraint("sequence"),
)

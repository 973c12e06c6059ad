"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BINARY_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
    op.create_table(
        "objects",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Integer(), nullable=False),
        sa.Column("protection", sa.Text(), nullable=False),
        sa.Column("state", sa.Integer()),
        sa.Column("storage", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column("material_kind", sa.Text()),
        sa.Column("material_format", sa.Integer()),
        sa.Column("material", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_objects"),
    )
    op.create_index("ix_objects_tenant_storage_created", "objects", ["tenant", "storage", "created"], unique=False)
    op.create_index("uq_objects_uid", "objects", ["uid"], unique=True)
    op.create_table(
        "names",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("object", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name="fk_names_object"),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_names"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "terms",
        sa.Column("tenant", _BINARY_TEXT, nullable=False),
        sa.Column("term", _BINARY_TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("object", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name="fk_terms_object"),
        sa.PrimaryKeyConstraint("tenant", "term", "created", "object", "instance", name="pk_terms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("sequence", _SERIAL, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text()),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
    )

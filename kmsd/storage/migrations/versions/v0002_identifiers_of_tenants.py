"""A Unique Identifier is its tenant's: clients choose them at Import."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("uq_objects_uid", "objects")
    op.create_index("uq_objects_uid_tenant", "objects", ["uid", "tenant"], unique=True)

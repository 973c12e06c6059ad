"""Objects whose material is in a token are found without looking at all others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    resident = sa.text("material_kind = 'resident'")
    op.create_index("ix_objects_resident", "objects", ["tenant"], sqlite_where=resident, postgresql_where=resident)

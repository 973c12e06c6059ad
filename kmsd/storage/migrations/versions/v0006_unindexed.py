"""Digest and Short Unique Identifier are looked for in the objects: their index was half of what a new one wrote."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TAGS = ("420034", "420136")
"""What the terms of the two begin with."""


def upgrade() -> None:
    # By tenant, so that each is a range of the primary key.
    statement = sa.text(
        "DELETE FROM terms WHERE tenant IN (SELECT DISTINCT tenant FROM objects) AND term >= :low AND term < :high"
    )
    for tag in _TAGS:
        op.execute(statement.bindparams(low=tag + "\x1f", high=tag + "\x20"))

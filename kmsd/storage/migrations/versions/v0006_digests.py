"""Digests are looked for in the objects themselves: their index was a third of what a new object wrote."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_DIGEST = "420034"
"""The tag that the terms of a Digest begin with."""


def upgrade() -> None:
    # By tenant, so that it is a range of the primary key.
    op.execute(
        sa.text(
            "DELETE FROM terms WHERE tenant IN (SELECT DISTINCT tenant FROM objects) AND term >= :low AND term < :high"
        ).bindparams(low=_DIGEST + "\x1f", high=_DIGEST + "\x20")
    )

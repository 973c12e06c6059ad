"""The audit trail has the names that server and client give to a request."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("audit", sa.Column("server_correlation_value", sa.Text()))
    op.add_column("audit", sa.Column("client_correlation_value", sa.Text()))

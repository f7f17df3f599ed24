"""Traces know which version was tried, who answered, and whether anybody was told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("trial", "side", "shadow_of"):
        op.add_column("traces", sa.Column(name, sa.String(), nullable=True))
    op.create_index(
        "traces_of_trial",
        "traces",
        ["project", "trial", "at", "id"],
        unique=False,
        sqlite_where=sa.text("trial IS NOT NULL"),
        postgresql_where=sa.text("trial IS NOT NULL"),
    )

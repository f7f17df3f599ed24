"""Who judges which answers, and what they chose."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "judgements",
        sa.Column("project", sa.String(), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=True),
        sa.Column("choice", sa.String(), nullable=True),
        sa.Column("at", sa.Float(), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("feedback", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("project", "item", "who"),
    )
    op.create_index("judgements_of_first", "judgements", ["first"])
    op.create_index("judgements_of_second", "judgements", ["second"])
    op.create_index("judgements_of_person", "judgements", ["project", "who", "at"])

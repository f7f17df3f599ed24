"""Vectors of passages"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passage_vectors",
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("encoder", "text"),
    )
    with op.batch_alter_table("passage_vectors", schema=None) as batch_op:
        batch_op.create_index("passage_vectors_by_use", ["used_at"], unique=False)

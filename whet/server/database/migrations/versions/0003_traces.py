"""Traces of answers, and what people said of them"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trace_totals",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("traces", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("project"),
    )
    op.create_table(
        "traces",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("workload", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("conversation", sa.String(), nullable=True),
        sa.Column("finish_reason", sa.String(), nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("answer_tokens", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("first_token_seconds", sa.Float(), nullable=True),
        sa.Column("feedback", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("traces_of_client", "traces", ["project", "client", "at", "id"], unique=False)
    op.create_index("traces_of_model", "traces", ["project", "model", "at", "id"], unique=False)
    op.create_index("traces_of_project", "traces", ["project", "at", "id"], unique=False)
    op.create_index("traces_of_workload", "traces", ["project", "workload", "at", "id"], unique=False)
    op.create_index(
        "traces_with_feedback",
        "traces",
        ["project", "at", "id"],
        unique=False,
        sqlite_where=sa.text("feedback > 0"),
        postgresql_where=sa.text("feedback > 0"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("trace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=True),
        sa.Column("corrected", sa.Text(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project"],
            ["projects.id"],
        ),
        sa.ForeignKeyConstraint(
            ["trace"],
            ["traces.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("feedback_of_author", "feedback", ["project", "author"], unique=False)
    op.create_index("feedback_keys", "feedback", ["project", "key"], unique=True)
    op.create_index("feedback_of_trace", "feedback", ["trace", "at"], unique=False)

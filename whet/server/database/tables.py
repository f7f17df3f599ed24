"""The tables. Times are seconds since 1970, by the database's own clock (whet/server/database/opening.py).

Everything that belongs to somebody has a `project`; no query reads it without.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

projects = Table(
    "projects",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False, index=True),
    Column("salt", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

files = Table(
    "files",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("filename", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("status", String, nullable=False),
    Column("status_details", Text),
    Column("findings", JSON),
    Column("rows", BigInteger),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("deleted_at", Float),
    Index("files_of_project", "project", "created_at"),
)
"""A deleted file keeps its row, so that a client that deletes while it pages finds its place again."""

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("store_metadata", JSON, nullable=False),
    Column("version", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("vector_stores_of_project", "project", "created_at"),
)
"""`version` grows with each change of the store's files; a process that holds an older index changes it before a
search."""

vector_store_files = Table(
    "vector_store_files",
    metadata,
    Column("store", String, ForeignKey("vector_stores.id"), primary_key=True),
    Column("file", String, ForeignKey("files.id"), primary_key=True),
    Column("place", String, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("error_code", String),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Index("vector_store_files_in_order", "store", "place", unique=True),
    Index("vector_stores_of_file", "file"),
)
"""`place` is when the file came, and tells it from the same file that left and came again."""

passage_vectors = Table(
    "passage_vectors",
    metadata,
    Column("encoder", String, primary_key=True),
    Column("text", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    Column("used_at", Float, nullable=False),
    Index("passage_vectors_by_use", "used_at"),
)
"""What an encoder says to a text: by the identity of the one and the sha256 of the other, float32 in little-endian
order. It belongs to nobody: it says nothing of whose text it is, and can be made again."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("key", String),
    Column("request", JSON, nullable=False),
    Column("body_sha256", String, nullable=False),
    Column("model", String, nullable=False),
    Column("training_file", String, nullable=False),
    Column("validation_file", String),
    Column("state", String, nullable=False),
    Column("phase", String),
    Column("seed", BigInteger, nullable=False),
    Column("suffix", String),
    Column("job_metadata", JSON),
    Column("hyperparameters", JSON, nullable=False),
    Column("recipe", JSON),
    Column("error", JSON),
    Column("estimate", JSON),
    Column("result", JSON),
    Column("run", String),
    Column("fine_tuned_model", String),
    Column("trained_tokens", BigInteger),
    Column("result_file", String),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("estimated_finish", Float),
    Column("attempts", Integer, nullable=False, default=0),
    Column("progress", Integer, nullable=False, default=-1),
    Column("owner", String),
    Column("fence", Integer, nullable=False, default=0),
    Column("lease_until", Float),
    Index("jobs_of_project", "project", "created_at"),
    Index("jobs_by_state", "state", "created_at"),
)
"""`fence` grows with each lease, and when a client cancels or pauses; a worker presents the one that it was given on
each write, so that one that was thought dead, or is not wanted any more, cannot write over its successor. `progress` is
the step of the last checkpoint that counted; a job that gets further has its `attempts` counted anew."""

chores = Table(
    "chores",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("result", JSON),
    Column("created_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String),
    Column("lease_until", Float),
    Index("chores_by_state", "state", "created_at"),
)
"""Short work that is not the server's own, because it needs the doctor or a plan: to examine a file, to validate a job,
to estimate one. Workers do it beside their training."""

events = Table(
    "events",
    metadata,
    Column("id", String, primary_key=True),
    Column("job", String, ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("level", String, nullable=False),
    Column("type", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON),
    Column("created_at", Float, nullable=False),
    Index("events_of_job", "job", "number", unique=True),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", String, primary_key=True),
    Column("job", String, ForeignKey("jobs.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("model", String, nullable=False, unique=True),
    Column("folder", String, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Index("checkpoints_of_job", "job", "step", unique=True),
)

models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("parent", String, nullable=False),
    Column("folder", String, nullable=False),
    Column("job", String),
    Column("pinned", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
)
"""Models that jobs made. `folder` is a run, or the model folder of a checkpoint, below the home of the service."""

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("project", String),
    Column("key", String),
    Column("act", String, nullable=False),
    Column("what", String, nullable=False),
    Column("facts", JSON),
)

traces = Table(
    "traces",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("key", String),
    Column("kind", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("fingerprint", String),
    Column("workload", String),
    Column("client", String),
    Column("conversation", String),
    Column("finish_reason", String),
    Column("valid", Boolean),
    Column("error", String),
    Column("prompt_tokens", Integer),
    Column("answer_tokens", Integer),
    Column("seconds", Float),
    Column("first_token_seconds", Float),
    Column("feedback", Integer, nullable=False, default=0),
    Column("bytes", Integer, nullable=False),
    Column("trial", String),
    Column("side", String),
    Column("shadow_of", String),
    Column("content", JSON(none_as_null=True)),
    Index("traces_of_project", "project", "at", "id"),
    Index("traces_of_model", "project", "model", "at", "id"),
    Index("traces_of_workload", "project", "workload", "at", "id"),
    Index("traces_of_client", "project", "client", "at", "id"),
    Index(
        "traces_with_feedback",
        "project",
        "at",
        "id",
        sqlite_where=text("feedback > 0"),
        postgresql_where=text("feedback > 0"),
    ),
    Index(
        "traces_of_trial",
        "project",
        "trial",
        "at",
        "id",
        sqlite_where=text("trial IS NOT NULL"),
        postgresql_where=text("trial IS NOT NULL"),
    ),
)
"""`feedback` counts the rows of the table of that name; `bytes` is about what a trace takes, with its feedback. `trial`
and `side` are of the version that was tried beside the live one; a trace with `shadow_of` is an answer to nobody.
`content` comes last: SQLite reads past it without opening its pages. Every index ends with `at` and `id`, by which
lists are ordered: without statistics SQLite would take the first that gives the order, and look at every row."""

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column("key", String, primary_key=True),
    Column("what", String, primary_key=True),
    Column("per_minute", Integer, nullable=False),
    Column("held", Float, nullable=False),
    Column("seen", Float, nullable=False),
)
"""What keys may still ask, where several servers share it (whet/server/access/shared_buckets.py)."""

feedback = Table(
    "feedback",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.id"), nullable=False),
    Column("trace", String, ForeignKey("traces.id"), nullable=False),
    Column("key", String),
    Column("at", Float, nullable=False),
    Column("good", Boolean),
    Column("corrected", Text),
    Column("label", String),
    Column("comment", Text),
    Column("author", String),
    Column("bytes", Integer, nullable=False),
    Index("feedback_of_trace", "trace", "at"),
    Index("feedback_of_author", "project", "author"),
    Index("feedback_keys", "project", "key", unique=True),
)
"""`key` is the client's own, by which a repeated request is told; no two rows of a project have the same."""

judgements = Table(
    "judgements",
    metadata,
    Column("project", String, ForeignKey("projects.id"), primary_key=True),
    Column("item", String, primary_key=True),
    Column("who", String, primary_key=True),
    Column("first", String, nullable=False),
    Column("second", String),
    Column("choice", String),
    Column("at", Float),
    Column("lease_until", Float, nullable=False),
    Column("feedback", String),
    Index("judgements_of_first", "first"),
    Index("judgements_of_second", "second"),
    Index("judgements_of_person", "project", "who", "at"),
)
"""Who judges an answer (`first`), or compares it with another to the same prompt (`second`). Until there is a choice,
the item is theirs alone until `lease_until`. `feedback` is the row that the choice became."""

trace_totals = Table(
    "trace_totals",
    metadata,
    Column("project", String, ForeignKey("projects.id"), primary_key=True),
    Column("traces", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
"""What a project's traces come to. Whoever adds or removes some changes this row first, and so waits for its turn."""

"""What a service is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from whet.recipe.sections.retrieval import By

MEBIBYTE = 1024 * 1024
TraceContent = Literal["content", "counts", "off"]


@dataclass(frozen=True, slots=True)
class Settings:
    """`home` keeps everything that is not in the database: uploaded files and the runs of jobs."""

    home: Path
    database: str = ""
    """SQLAlchemy's URL; empty: SQLite in `home`."""
    host: str = "127.0.0.1"
    port: int = 8000
    auth: bool = True
    """False answers everybody as the project "default", and is refused on anything but loopback."""
    models: tuple[str, ...] = ("nano",)
    """Bases, runs, and named models that are served from the start; bases among them may be tuned."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Other names, as of a hosted model: {"gpt-4o-mini": "nano"}."""
    runs: Path | None = None
    """The folder of runs made by the command line, whose named models are served, too."""
    documents: Path | None = None
    """A folder whose documents every project may search, as the store "documents"."""
    documents_encoder: str = ""
    """A sentence encoder that finds passages by their vectors: a folder, a model of the Hub, or its name at the URL."""
    documents_encoder_url: str = ""
    """OpenAI-compatible URL, as far as /v1, where the encoder answers; empty: it is read here."""
    documents_encoder_key: str = ""
    """Name of the environment variable that holds the key for it."""
    documents_by: By | None = None
    """How passages are found where no recipe says it; None: by vectors where there is an encoder, else by words."""
    engine: str = ""
    """URL, as far as /v1, of another server that writes the answers (docs/running/engines.md); empty: it writes them
    itself."""
    engine_kind: str = ""
    """What that server is: vllm, sglang, llama.cpp, whet or openai; empty: what it says itself."""
    engine_key: str = ""
    """Name of the environment variable that holds the key for it."""
    engine_models: dict[str, str] = field(default_factory=dict)
    """What models are called there, where that is another name: {"nano": "nano-q8"}."""
    engine_adapters: int = 32
    """Adapters that are loaded there at once; those that are used least leave."""
    workers: int = 1
    """Processes that train; 0 takes jobs and leaves them to workers on other machines."""
    ray: str = ""
    """Address of a Ray cluster that trains in their place: its dashboard (http) or its client server (ray://)."""
    code_graders: bool = False
    """May graders be Python code? It runs in the sandbox of code rewards."""
    grader_url: str = ""
    """OpenAI-compatible URL, as far as /v1, that graders of the type score_model ask; empty: they are refused."""
    grader_key: str = ""
    """Name of the environment variable that holds the key for it."""
    most_jobs: int = 100
    """Jobs of one project that may wait; beyond it 429."""
    checkpoint_seconds: float = 7 * 86400.0
    """How long a checkpoint of a job can be opened as a model."""
    slots: int = 32
    """Answers written at once by one base."""
    most_waiting: int = 256
    """Requests that may wait for a slot; beyond it 429 with Retry-After."""
    most_body: int = 512 * MEBIBYTE
    """Bytes of an uploaded file."""
    most_json: int = 16 * MEBIBYTE
    """Bytes of any other body."""
    requests_per_minute: int | None = None
    """Of a key that has no limit of its own; None: as many as it likes."""
    tokens_per_minute: int | None = None
    body_seconds: float = 60.0
    """A client that sends nothing for so long, in the midst of a body, is let go."""
    request_seconds: float = 600.0
    """An answer that takes longer is ended."""
    drain_seconds: float = 30.0
    """How long a stopping service lets answers end."""
    traces: TraceContent = "counts"
    """What is kept of each answer: its numbers, these with redacted texts, or nothing."""
    traces_days: float = 30.0
    """Older traces are removed."""
    most_traces: int = 1_000_000
    """Of each project; the oldest make room."""
    most_trace_bytes: int = 1024 * MEBIBYTE
    """The same, of what traces and their feedback take."""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'whet.sqlite'}"

    @property
    def files(self) -> Path:
        return self.home / "files"

    @property
    def job_runs(self) -> Path:
        """The runs folder of all jobs: one run root a project below it."""
        return self.home / "runs"

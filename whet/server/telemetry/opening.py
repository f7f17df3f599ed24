"""Telemetry as OpenTelemetry's own variables ask for it; nothing of it is imported where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import whet
from whet.errors import InputError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CARRIED = ("traceparent", "tracestate", "baggage")
"""Headers in which a caller says which trace its request belongs to."""
LAST_MILLISECONDS = 5000
"""That a service which ends waits for its last spans to be taken."""


@dataclass(slots=True)
class Telemetry:
    """`provider` is OpenTelemetry's, of this service alone; `content`: are prompts and answers recorded, too?"""

    provider: Any
    ids: Any
    content: bool

    @property
    def tracer(self) -> Any:
        return self.provider.get_tracer("whet.server", whet.__version__)

    def caller_of(self, headers: Mapping[str, str]) -> Any:
        """The trace that a caller's headers name, as a context of OpenTelemetry's."""
        from opentelemetry import context, propagate

        return propagate.extract(dict(headers), context=context.Context())

    @contextmanager
    def identified(self, name: str) -> Iterator[None]:
        """What begins inside has identifiers that follow from `name`: told twice, it is one span."""
        with self.ids.of(name):
            yield

    def close(self) -> None:
        """Blocks until the last spans are sent, for at most `LAST_MILLISECONDS`."""
        self.provider.force_flush(LAST_MILLISECONDS)
        self.provider.shutdown()


def carried(headers: Mapping[str, str]) -> dict[str, str]:
    """What must be kept of a request to continue its trace later."""
    return {name: headers[name] for name in CARRIED if name in headers}


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """An endpoint or an exporter is named. Raises InputError for an exporter that is none of OTLP's."""
    if environment.get(DISABLED, "").strip().lower() == "true":
        return False
    exporter = environment.get(EXPORTER, "").strip()
    if exporter == "none":
        return False
    if exporter not in ("", "otlp"):
        raise InputError("spans are sent by OTLP alone", where=EXPORTER, value=exporter, fix="set it to otlp, or none")
    return bool(exporter) or any(environment.get(name) for name in ENDPOINTS)


def open_telemetry(environment: Mapping[str, str], exporter: Any = None) -> Telemetry | None:
    """None where nobody asks for spans. `exporter` takes them in the place of OTLP over HTTP.

    Raises InputError for a variable that says what is not there, and where the extra is missing.
    """
    if exporter is None and not is_asked_for(environment):
        return None
    content = _records_content(environment)
    _refuse_protocol(environment)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from whet.server.telemetry.identifiers import NamedIds
    except ModuleNotFoundError as error:
        fix = 'pip install "whet[otel]", or unset OTEL_*'
        raise InputError(
            "spans need OpenTelemetry's packages", where="whet serve", value=error.name, fix=fix
        ) from error

    ids = NamedIds()
    provider = TracerProvider(resource=Resource.create(_named(environment)), id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return Telemetry(provider, ids, content)


def _named(environment: Mapping[str, str]) -> dict[str, str]:
    """What is said of this service where the variables do not."""
    given = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {"service.version": whet.__version__}
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in given:
        named["service.name"] = "whet"
    return named


def _records_content(environment: Mapping[str, str]) -> bool:
    given = environment.get(CONTENT, "").strip()
    if given.lower() in ("", "false", "no_content"):
        return False
    if given.lower() in ("true", "span_only"):
        return True
    fix = "set it to SPAN_ONLY, or unset it"
    raise InputError("content is recorded on spans alone, or not at all", where=CONTENT, value=given, fix=fix)


def _refuse_protocol(environment: Mapping[str, str]) -> None:
    for name in PROTOCOLS:
        given = environment.get(name, "")
        if given not in ("", "http/protobuf"):
            raise InputError("spans are sent over HTTP alone", where=name, value=given, fix="set it to http/protobuf")

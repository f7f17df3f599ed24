"""Numbers for Prometheus, under the names that users of vLLM know, with `whet:` before them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from whet.monitoring.alerts.figures import BY_QUESTION, HELP, Figure

FIRST = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BETWEEN = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
WHOLE = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Metrics:
    """One registry a service, so that two of them in a process (tests) do not add up."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        by_model, by_route = ["model_name"], ["method", "route", "status"]
        self.first_token = Histogram(
            "whet:time_to_first_token_seconds", "Until the first token.", by_model, buckets=FIRST, registry=registry
        )
        self.between_tokens = Histogram(
            "whet:inter_token_latency_seconds", "Between two tokens.", by_model, buckets=BETWEEN, registry=registry
        )
        self.whole_answer = Histogram(
            "whet:e2e_request_latency_seconds", "From request to end.", by_model, buckets=WHOLE, registry=registry
        )
        self.running = Gauge("whet:num_requests_running", "Answers being written.", by_model, registry=registry)
        self.waiting = Gauge("whet:num_requests_waiting", "Requests that wait for a slot.", by_model, registry=registry)
        self.cache_use = Gauge(
            "whet:kv_cache_usage_perc", "Share of the cache that is in use, 0 to 1.", by_model, registry=registry
        )
        self.prompt_tokens = Counter("whet:prompt_tokens", "Tokens read.", by_model, registry=registry)
        self.written_tokens = Counter("whet:generation_tokens", "Tokens written.", by_model, registry=registry)
        self.ended = Counter(
            "whet:request_success", "Answers by how they ended.", [*by_model, "finished_reason"], registry=registry
        )
        self.requests = Counter("whet:http_requests", "Requests by route and status.", by_route, registry=registry)
        self.traces = Counter("whet:traces_kept", "Traces written.", registry=registry)
        self.traces_lost = Counter("whet:traces_lost", "Traces not written, by reason.", ["reason"], registry=registry)
        self.contents_lost = Counter(
            "whet:trace_contents_lost", "Traces kept without texts, which were too long.", registry=registry
        )
        self.monitor = {
            name: Gauge(
                f"whet:monitor_{name}",
                text,
                ["model_name", "question"] if name in BY_QUESTION else by_model,
                registry=registry,
            )
            for name, text in HELP.items()
        }
        by_version = ["model_name", "version"]
        self.version_requests = Counter(
            "whet:version_requests", "Requests to named models by the version that answered.", by_version,
            registry=registry,
        )  # fmt: skip
        self.tried_failed = Counter(
            "whet:tried_version_failures", "Requests that a tried version could not answer, and the live one did.",
            [*by_version, "reason"], registry=registry,
        )  # fmt: skip
        self.shadow_answers = Counter(
            "whet:shadow_answers", "Answers of a shadow, which nobody was told.", by_version, registry=registry
        )
        self.shadows_lost = Counter(
            "whet:shadow_answers_lost", "Answers that a shadow did not give, by reason.", [*by_version, "reason"],
            registry=registry,
        )  # fmt: skip
        self.jobs = Gauge("whet:num_jobs", "Fine-tuning jobs by state.", ["state"], registry=registry)

    def show_watches(self, figures: Iterable[Figure]) -> None:
        """What `whet watch` has written down last; a watch that is gone is shown no more."""
        for gauge in self.monitor.values():
            gauge.clear()
        for figure in figures:
            self.monitor[figure.name].labels(**figure.labels).set(figure.value)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

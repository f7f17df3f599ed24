"""What answers cost is counted where it falls due: numbers for Prometheus, tokens of a key's limit."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest
from openai import RateLimitError
from prometheus_client.parser import text_string_to_metric_families

QUESTION: list[Any] = [{"role": "user", "content": "Where is my order 48213?"}]


def numbers(served: Any) -> dict[tuple[str, ...], float]:
    """(name, model, bucket or reason): value."""
    _, admin = served.service.keys.create("scraper", "default", ["admin"])
    text = httpx.get(served.url.removesuffix("/v1") + "/metrics", headers={"authorization": f"Bearer {admin}"}).text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            found[sample.name, labels.get("model_name", ""), labels.get("finished_reason", "")] = sample.value
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_counted_once_with_its_tokens(served: Any, streamed: bool) -> None:
    before = numbers(served)
    asked = {"model": "nano", "messages": QUESTION, "max_tokens": 7, "temperature": 0, "n": 2}
    if streamed:
        stream = served.client().chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        usage = [chunk.usage for chunk in stream if chunk.usage][0]
    else:
        usage = served.client().chat.completions.create(**asked).usage
    after = numbers(served)

    def more(name: str, reason: str = "") -> float:
        key = (f"whet:{name}", "nano", reason)
        return after[key] - before.get(key, 0.0)

    assert more("prompt_tokens_total") == usage.prompt_tokens
    assert more("generation_tokens_total") == usage.completion_tokens
    assert more("time_to_first_token_seconds_count") == more("e2e_request_latency_seconds_count") == 2
    assert more("inter_token_latency_seconds_count") == usage.completion_tokens - 2
    assert more("request_success_total", "length") + more("request_success_total", "stop") == 2
    assert after["whet:num_requests_running", "nano", ""] == 0


def test_tokens_are_taken_off_the_limit_of_the_key(served: Any) -> None:
    _, secret = served.service.keys.create("small", "default", ["infer"], tokens_per_minute=30)
    client = served.client(api_key=secret)
    asked = {"model": "nano", "messages": QUESTION, "max_tokens": 40, "temperature": 0}
    first = client.chat.completions.with_raw_response.create(**asked)
    assert first.headers["x-ratelimit-limit-tokens"] == "30"

    with pytest.raises(RateLimitError, match="30 tokens a minute"):
        for _ in range(3):
            client.chat.completions.create(**asked)

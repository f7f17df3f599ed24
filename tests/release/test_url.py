"""A server behind a URL is proved by the same prompts, or what is wrong with it is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import whet
from tests.release.serving import Serving, serving_of
from whet.errors import ProofError
from whet.store.run import Run


@pytest.fixture
def served(sound: Run) -> Iterator[tuple[str, Serving]]:
    with serving_of(sound) as both:
        yield both


def test_a_server_that_serves_the_tune_is_proved(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    told = whet.prove(own, url=url)
    (proof,) = told["exports"][0]["proofs"]
    measured = proof["measured"]
    assert told["proved"] and measured["fraction"] == pytest.approx(1, abs=1e-3)
    assert measured["ids_equal"] == measured["ids_compared"] == measured["answers"] == 3
    assert measured["answers_changed"] == 0 and measured["largest_difference"] < 1e-3
    assert (own.folder / "release" / "url" / "proof.html").is_file()


def test_a_server_that_answers_as_the_base_is_found(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    serving.as_base = True
    with pytest.raises(ProofError, match="base-answers") as error:
        whet.prove(own, url=url)
    assert "lora-modules" in error.value.fix


def test_what_a_server_has_not_got_is_said(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    serving.lacks.add("/tokenize")
    told = whet.prove(own, url=url)
    (proof,) = told["exports"][0]["proofs"]
    assert proof["measured"]["ids_compared"] == 0 and "does not tell the ids" in proof["notes"][0]
    assert serving.paths.count("/tokenize") == 1, "a place that refused is not asked again"


def test_another_name_than_the_served_one_is_refused(own: Run, served: tuple[str, Serving]) -> None:
    url, _ = served
    with pytest.raises(ProofError, match="does not serve 'tunde'; did you mean 'tuned'"):
        whet.prove(own, url=url, name="tunde")


def test_a_name_without_a_server_is_refused(own: Run) -> None:
    with pytest.raises(whet.errors.InputError, match="of a server"):
        whet.prove(own, name="tuned")

"""Which models a client sees: those of the service, and those that its own project's jobs made."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from tests.server.inference.conftest import TUNED, Served
from whet.errors import InputError
from whet.server.inference.catalogue import Catalogue
from whet.server.settings import Settings
from whet.store import model_registry


def test_models_are_listed_with_where_they_come_from(client: Any, served: Served) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"nano", "sft", "reward", "gpt-4o-mini", TUNED} <= set(listed)
    tuned: Any = listed[TUNED]
    assert (tuned.object, tuned.parent, tuned.root) == ("model", "nano", TUNED)
    alias: Any = listed["gpt-4o-mini"]
    assert alias.root == "nano"
    assert client.models.retrieve(TUNED) == listed[TUNED]
    assert str(served.home) not in str(listed)


def test_a_model_of_somebody_else_is_as_one_that_does_not_exist(served: Served) -> None:
    other = served.client(api_key=served.other_key)
    assert TUNED not in [model.id for model in other.models.list()]
    for ask in (
        lambda name: other.models.retrieve(name),
        lambda name: other.models.delete(name),
        lambda name: other.chat.completions.create(model=name, messages=[{"role": "user", "content": "a"}]),
        lambda name: other.embeddings.create(model=name, input="a"),
    ):
        told = []
        for name in (TUNED, TUNED.replace("abc123", "none00")):
            with pytest.raises(openai.NotFoundError) as error:
                ask(name)
            told.append(str(error.value).replace(name, "NAME"))
        assert told[0] == told[1]


def test_a_name_with_a_slash_is_read_as_it_was_sent(served: Served) -> None:
    served.own("ft:org/base:default:x:slash1", served.tuned.folder)
    client = served.client()
    assert client.models.retrieve("ft:org/base:default:x:slash1").id == "ft:org/base:default:x:slash1"
    answer = httpx2.get(f"{served.url}/models/ft%3Aorg%2Fbase%3Adefault%3Ax%3Aslash1", headers=served.headers)
    assert answer.json()["id"] == "ft:org/base:default:x:slash1"
    assert httpx2.get(f"{served.url}/models/..%2F..%2Fsft", headers=served.headers).status_code == 404
    assert httpx2.get(f"{served.url}/models/%ff", headers=served.headers).status_code == 404


def test_ones_own_tuned_model_can_be_deleted_and_a_base_cannot(served: Served) -> None:
    client = served.client()
    served.own("ft:nano:default:gone:del123", served.tuned.folder)
    ask = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
    client.chat.completions.create(model="ft:nano:default:gone:del123", **ask)

    assert client.models.delete("ft:nano:default:gone:del123").deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="ft:nano:default:gone:del123", **ask)
    assert (served.tuned.folder / "run.json").is_file(), "the run stays"
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete("nano")


def test_a_key_is_needed(served: Served) -> None:
    with pytest.raises(openai.AuthenticationError):
        served.client(api_key="wk-wrong").models.list()


def test_a_named_model_is_its_live_version(served: Served, tmp_path: Any, tuned_run: Any) -> None:
    from shutil import copytree

    for name in ("first", "second"):
        copytree(tuned_run.folder, tmp_path / name)
        model_registry.register("desk", model_registry.Run(tmp_path / name), {"ship": {"answer": "yes"}}, tmp_path)
    catalogue = Catalogue(Settings(tmp_path / "home", models=("nano",), runs=tmp_path), served.service.database)

    found = catalogue.find("desk", "nobody")
    assert (found.run.name, found.parent) == ("second", "nano")  # type: ignore[union-attr]
    model_registry.promote("desk", 1, tmp_path)
    assert catalogue.find("desk", "nobody").run.name == "first"  # type: ignore[union-attr]
    assert catalogue.find("desk@2", "nobody").run.name == "second"  # type: ignore[union-attr]
    assert "desk" in [model.name for model in catalogue.listed("nobody")]
    for path in ("first", str(tmp_path / "first"), "../sft"):
        with pytest.raises(Exception, match="No such model"):
            catalogue.find(path, "nobody")


@pytest.mark.parametrize(
    ("models", "aliases"), [(("no-such",), {}), (("nano",), {"nano": "other"}), (("/nowhere/base",), {})]
)
def test_a_service_does_not_start_with_a_name_that_means_nothing(
    served: Served, tmp_path: Any, models: tuple[str, ...], aliases: dict[str, str]
) -> None:
    with pytest.raises(InputError):
        Catalogue(Settings(tmp_path, models=models, aliases=aliases), served.service.database)


def test_another_vendors_api_is_refused_with_where_to_ask(served: Served) -> None:
    body = {"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}
    answer = httpx2.post(f"{served.url}/messages", headers=served.headers, json=body)
    assert answer.status_code == 404 and "/v1/chat/completions" in answer.json()["error"]["message"]

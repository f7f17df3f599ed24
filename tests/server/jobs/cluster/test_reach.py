"""What is refused at the start of a service whose jobs train on a cluster."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.server.jobs.cluster.made_cluster import HERE, MadeCluster
from tests.server.serving import served
from whet.errors import InputError
from whet.server.jobs.cluster import reach
from whet.server.jobs.cluster.address import is_this_machine, parse_workers, place_of, refuse_overridden
from whet.server.jobs.cluster.note import read_note, write_note
from whet.server.jobs.cluster.ray_cluster import SubmissionName, ray_library
from whet.server.jobs.cluster.ray_workers import RayWorkers
from whet.server.jobs.cluster.reach import refuse_cluster
from whet.server.settings import Settings

HEAD = "http://127.0.0.1:8265"


@pytest.mark.parametrize(
    ("text", "count", "address"),
    [
        ("0", 0, ""),
        ("3", 3, ""),
        ("http://head:8265", 1, "http://head:8265"),
        ("https://ray.example.com/", 1, "https://ray.example.com"),
        ("ray://head:10001", 1, "ray://head:10001"),
    ],
)
def test_workers_are_a_number_or_a_cluster(text: str, count: int, address: str) -> None:
    assert parse_workers(text) == (count, address)


@pytest.mark.parametrize("text", ["", "-1", "two", "head:8265", "ftp://head:1", "http://", "http://head:99999", "²"])
def test_what_is_neither_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(InputError, match=r"(?s)--workers: this is neither.*http://HOST:8265") as error:
        parse_workers(text)
    assert error.value.value == text


@pytest.mark.parametrize("text", ["http://me:hunter2@head:8265", "http://head:8265?token=hunter2"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="RAY_AUTH_TOKEN") as error:
        parse_workers(text)
    assert "hunter2" not in str(error.value)


def test_the_host_and_port_that_must_answer() -> None:
    assert place_of("ray://head") == ("head", 10001)
    assert place_of("https://ray.example.com") == ("ray.example.com", 443)
    assert place_of("http://[::1]:8265") == ("::1", 8265)


def test_a_variable_that_ray_would_obey_instead_is_refused() -> None:
    refuse_overridden(HEAD, {"RAY_ADDRESS": HEAD + "/"})
    with pytest.raises(InputError, match="RAY_ADDRESS in the place"):
        refuse_overridden(HEAD, {"RAY_ADDRESS": "http://other:8265"})
    with pytest.raises(InputError, match="RAY_API_SERVER_ADDRESS in the place"):
        refuse_overridden(HEAD, {"RAY_API_SERVER_ADDRESS": "http://other:8265", "RAY_ADDRESS": HEAD})


def test_which_hosts_are_this_machine() -> None:
    assert is_this_machine("127.0.0.1") and is_this_machine("localhost")
    assert not is_this_machine("192.0.2.77") and not is_this_machine("no-such-host.invalid")


@pytest.mark.parametrize("address", ["http://192.0.2.77:8265", "ray://192.0.2.77:10001"])
def test_sqlite_with_a_cluster_elsewhere_is_refused_before_it_is_asked(tmp_path: Path, address: str) -> None:
    cluster = MadeCluster()
    with pytest.raises(InputError, match="the database is a file of this one.*192.0.2.77.*\n.*postgresql://"):
        refuse_cluster(Settings(tmp_path, ray=address), cluster)
    assert not cluster.asked


def test_sqlite_with_a_cluster_that_goes_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    cluster = MadeCluster([HERE, replace(HERE, host="192.0.2.77")])
    with pytest.raises(InputError, match="got '192.0.2.77'"):
        refuse_cluster(Settings(tmp_path, ray=HEAD), cluster)
    refuse_cluster(Settings(tmp_path, ray=HEAD, database="postgresql://whet@db/whet"), cluster)
    assert len(cluster.commands) == 1


def test_a_trial_that_fails_ends_the_start_with_its_last_line(tmp_path: Path) -> None:
    cluster = MadeCluster(trial=(False, "last available logs:\n\n/usr/bin/python: No module named 'whet'\n"))
    with pytest.raises(InputError, match="cannot run on the cluster: /usr/bin/python: No module named 'whet'"):
        refuse_cluster(Settings(tmp_path, ray=HEAD), cluster)


def test_a_cluster_that_is_silent_or_busy_does_not_end_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_cluster(Settings(tmp_path, ray=HEAD), MadeCluster(silent=True))
    assert "jobs wait: http://head:8265: connection refused" in caplog.text
    monkeypatch.setattr(reach, "TRY_SECONDS", 0.0)
    refuse_cluster(Settings(tmp_path, ray=HEAD), MadeCluster(trial=None))
    assert "it may be busy" in caplog.text


def test_a_note_that_is_not_there_of_another_service_or_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not see the home folder of the service.*\n.*share"):
        read_note(tmp_path)
    note = write_note(Settings(tmp_path))
    assert read_note(tmp_path, note.service, note.version) == note
    with pytest.raises(InputError, match="that of another service"):
        read_note(tmp_path, "other")
    with pytest.raises(InputError, match="on this machine there is Whet 99"):
        read_note(tmp_path, note.service, "99")


def test_a_submission_is_known_by_its_name_and_foreign_names_are_none() -> None:
    name = SubmissionName("ftjob-abc", 4, 2)
    assert SubmissionName.read(str(name)) == name
    for foreign in ("", "raysubmit_x", "whet-trial-a-b", "whet-ftjob-abc-4", "whet-ftjob-abc-4-2-x"):
        assert SubmissionName.read(foreign) is None


def test_a_service_without_ray_installed_says_which_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from whet.server.jobs.cluster.ray_cluster import RayCluster\n"
        "RayCluster('http://127.0.0.1:1').nodes()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode and "whet[server,ray]" in done.stderr


def test_the_service_says_why_no_job_is_begun_and_is_ready_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx2 as httpx

    monkeypatch.setattr(RayWorkers, "processes", 0)
    with served(tmp_path, ray="http://127.0.0.1:1", models=()) as service:
        workers = service.service.workers
        assert isinstance(workers, RayWorkers)
        url = service.url.removesuffix("/v1") + "/ready"
        while httpx.get(url).json() == {"status": "ready"}:
            assert workers.at_once == 1
        answer = httpx.get(url)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "jobs": "the Ray cluster does not answer"}


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "ray.exceptions", "ray.job_submission"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"(?s)is not installed.*whet\[server,ray\]"):
        ray_library()

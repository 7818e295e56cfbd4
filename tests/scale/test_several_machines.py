"""Two servers and three workers on five machines over one Postgres and one storage, with kill -9 in between.

Every document is indexed exactly once, both servers answer the same, and what is revoked or deleted through one of them
is gone from the other's very next answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scale.estate import Estate, Process, call, wait_for
from tests.storage.lance_parts import s3_server

pytestmark = [pytest.mark.serial, pytest.mark.postgres, pytest.mark.timeout(900)]
pytest.importorskip("lancedb")

DOCUMENTS = 60


@pytest.fixture
def estate(tmp_path: Path, postgres_url: str) -> Iterator[Estate]:
    """`COUNTERSIGN_TEST_STORAGE=folder` puts a folder that all machines mount in place of the S3 server."""
    if os.environ.get("COUNTERSIGN_TEST_STORAGE") == "folder":
        estate = Estate(tmp_path / "estate", postgres_url)
        yield estate
        estate.end()
        return
    with s3_server() as address:
        estate = Estate(tmp_path / "estate", postgres_url, address)
        yield estate
        estate.end()


def test_nothing_is_lost_or_done_twice_and_rights_act_everywhere_at_once(estate: Estate) -> None:
    first = estate.machine()
    estate.found(first)
    editor = made_key(estate, first, "gulnar", "editors", "publisher")
    clerk = made_key(estate, first, "aigerim", "staff", "user")
    one = estate.begin(first, "serve", "--port", "0")
    two = estate.begin(estate.machine(), "serve", "--port", "0")
    workers = [estate.begin(estate.machine(), "worker") for _ in range(3)]

    documents = [pushed(server, editor, n) for n, server in zip(range(20), [one, two] * 10, strict=True)]
    leader = wait_for(estate.leader, "somebody to lead")
    leader.kill()
    living = [server for server in (one, two) if server.child.poll() is None]
    documents += [pushed(living[n % len(living)], editor, n) for n in range(20, 40)]
    next(worker for worker in workers if worker.child.poll() is None).kill()
    documents += [pushed(living[n % len(living)], editor, n) for n in range(40, DOCUMENTS)]
    if len(living) == 1:
        dead = one if one not in living else two
        living.append(estate.begin(dead.host, "serve", "--port", "0"))
    estate.begin(estate.machine(), "worker")

    wait_for(lambda: all_done(estate), "every job to be done")
    assert once_each(estate) == {"documents": DOCUMENTS, "passages": DOCUMENTS, "indexed": DOCUMENTS}
    followed = wait_for(estate.leader, "another to lead")
    assert followed is not leader
    wait_for(lambda: in_step(living), "the index to be in step")

    for number in (3, 25, 59):
        answers = [asked(server, clerk, number) for server in living]
        assert answers[0] == answers[1]
        assert f"{1000 + number}" in answers[0][1]

    rights_act_everywhere(living, editor, clerk, documents)


def rights_act_everywhere(living: list[Process], editor: str, clerk: str, documents: list[str]) -> None:
    here, there = living
    narrowed = call(
        "PATCH", f"{here.url}/api/documents/{documents[7]}", editor, {"rights": {"any_of": ["board"]}}
    )
    assert narrowed[0] == 200
    assert not any(says_of(server, clerk, 7) for server in (there, here))
    assert call("DELETE", f"{there.url}/api/documents/{documents[8]}", editor)[0] == 200
    assert not any(says_of(server, clerk, 8) for server in (here, there))
    widened = call(
        "PATCH", f"{there.url}/api/documents/{documents[7]}", editor, {"rights": {"any_of": ["staff"]}}
    )
    assert widened[0] == 200
    assert all(says_of(server, clerk, 7) for server in (here, there))


# -- what it is made of -----------------------------------------------------------------------------------------
def made_key(estate: Estate, host: Path, name: str, groups: str, roles: str) -> str:
    said = ("key", "create", "--user", name, "--tenant", "bank", "--groups", groups, "--roles", roles)
    return str(estate.run(host, *said)["key"])


def pushed(server: Process, editor: str, number: int) -> str:
    body = {
        "title": f"Branch {number}",
        "text": f"The opening code of branch number{number} is {1000 + number}.",
        "rights": {"any_of": ["staff"]},
    }
    status, said = call("PUT", f"{server.url}/api/documents/push/branch-{number}", editor, body)
    assert status == 202, said
    return str(said["document_id"])


def asked(server: Process, clerk: str, number: int) -> tuple[str, str, list[str]]:
    """Status, text, and what was cited."""
    question = {"assistant": "staff-help", "question": f"What is the opening code of branch number{number}?"}
    status, said = call("POST", f"{server.url}/api/ask", clerk, question)
    assert status == 200, said
    return said["status"], said["text"], [citation["external_id"] for citation in said["citations"]]


def says_of(server: Process, clerk: str, number: int) -> bool:
    """Whether the answer gives the code, or cites the document, of this branch."""
    _, text, cited = asked(server, clerk, number)
    return f"{1000 + number}" in text or f"branch-{number}" in cited


def all_done(estate: Estate) -> bool:
    [(waiting,)] = estate.rows("SELECT count(*) FROM job WHERE state <> 'done'")
    return waiting == 0


def once_each(estate: Estate) -> dict[str, Any]:
    [(documents,)] = estate.rows("SELECT count(*) FROM document WHERE status = 'indexed'")
    [(passages, covered)] = estate.rows(
        "SELECT count(*), count(DISTINCT document_id) FROM passage WHERE live"
    )
    [(indexed, named)] = estate.rows(
        "SELECT count(*), count(DISTINCT subject) FROM event WHERE kind = 'document.indexed'"
    )
    assert (passages, indexed) == (covered, named)
    return {"documents": documents, "passages": passages, "indexed": indexed}


def in_step(servers: list[Process]) -> bool:
    import urllib.request

    def lag(server: Process) -> float:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=180) as response:
            lines = response.read().decode().splitlines()
        return max(
            (float(line.split()[-1]) for line in lines if line.startswith("countersign_index_lag_seq{")),
            default=float("inf"),  # it has yet to look
        )

    return all(lag(server) == 0 for server in servers)

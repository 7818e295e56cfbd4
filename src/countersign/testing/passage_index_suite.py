"""What every passage index must do, whatever it is made of: inherit `PassageIndexSuite` and say how to open yours.

The rules: no row outside the scope in any leg; narrow scopes lose no recall; a change is seen by the next search; deletes
delete, by count; replaying is idempotent; a second owner fails loudly; a reader opens beside the owner; a killed writer
loses nothing that was acknowledged; a rebuild leaves nothing of the old; tenants have indexes of their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.domain.errors import Conflict
from countersign.retrieval.seams import (
    ALWAYS_FROM_DAY,
    ALWAYS_TO_DAY,
    Hit,
    IndexRow,
    PassageIndex,
    PassageSearch,
    Scope,
    Vector,
)

DIMENSION = 32
_INHERITED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
"""Several adapters inherit one drawn test; each draws anew and keeps nothing."""
AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
_WORDS = (
    "tariff",
    "leave",
    "bonus",
    "тариф",
    "отпуск",
    "премия",
    "демалыс",
    "ереже",
    "шарт",
    "contract",
    "loan",
)


def make_row(number: int, **changes: object) -> IndexRow:
    """A row whose text and vector follow from its number."""
    rng = np.random.default_rng(number)
    vector = rng.normal(size=DIMENSION).astype(np.float32) + 0.5
    row = IndexRow(
        passage_id=number,
        document_id=f"d{number // 5}",
        source="files",
        rights_id=1,
        language=("en", "ru", "kk")[number % 3],
        valid_from_day=ALWAYS_FROM_DAY,
        valid_to_day=ALWAYS_TO_DAY,
        live=True,
        seq=number,
        text=" ".join(rng.choice(_WORDS, 6)) + f" only{number}",
        vector=(vector / np.linalg.norm(vector)).astype(np.float32),
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType]


def make_scope(*rights: int, **changes: object) -> Scope:
    scope = Scope("main", frozenset(rights), frozenset({"files"}), AS_OF)
    return replace(scope, **changes)  # pyright: ignore[reportArgumentType]


def found(hits: Sequence[Hit]) -> set[int]:
    return {hit.passage_id for hit in hits}


def search_all(search: PassageSearch, scope: Scope, limit: int = 1000) -> set[int]:
    """Everything that any leg gives for a question that touches every word."""
    vector = np.full(DIMENSION, 1 / np.sqrt(DIMENSION), np.float32)
    return found(search.search_text(" ".join(_WORDS), scope, limit)) | found(
        search.search_vector(vector, scope, limit)
    )


class PassageIndexSuite(ABC):
    """Tests for an adapter. `open_index` must open the same index again for the same folder and tenant."""

    kills = 20

    @abstractmethod
    def open_index(self, folder: Path, tenant: str, *, owner: bool) -> PassageIndex: ...

    @abstractmethod
    def writer_program(self, folder: Path) -> str:
        """Python source that opens the index of tenant `main` as owner, and calls `write_for_ever(index)` of this module."""
        ...

    @pytest.fixture
    def open_(self, tmp_path: Path) -> Generator[Callable[..., PassageIndex]]:
        opened: list[PassageIndex] = []

        def open_one(tenant: str = "main", *, owner: bool = True) -> PassageIndex:
            opened.append(self.open_index(tmp_path, tenant, owner=owner))
            return opened[-1]

        yield open_one
        for index in opened:
            index.close()

    # -- rights -----------------------------------------------------------------------------------------------
    @settings(max_examples=25, deadline=None, suppress_health_check=_INHERITED)
    @given(data=st.data())
    def test_no_row_outside_the_scope(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """Random rights, sources, validity and documents against a scope, judged row by row."""
        rows = [
            make_row(
                number,
                rights_id=data.draw(st.integers(-4, 4)),
                source=data.draw(st.sampled_from(["files", "mail"])),
                valid_from_day=data.draw(st.sampled_from([ALWAYS_FROM_DAY, 20_000, 30_000])),
                valid_to_day=data.draw(st.sampled_from([ALWAYS_TO_DAY, 20_400, 30_001])),
            )
            for number in range(1, data.draw(st.integers(1, 40)))
        ]
        documents = st.sets(st.integers(0, 8)).map(lambda s: frozenset(f"d{n}" for n in s))
        scope = make_scope(
            *data.draw(st.sets(st.integers(-5, 5))),
            sources=data.draw(st.frozensets(st.sampled_from(["files", "mail", "other"]))),
            document_ids=data.draw(documents),
        )
        allowed = {row.passage_id for row in rows if _admits(scope, row)}
        index = self.open_index(tmp_path_factory.mktemp("scope"), "main", owner=True)
        try:
            index.apply(rows, len(rows))
            assert search_all(index, scope) == allowed
            also = index.search_vector(_unit(3), scope, 1, also=[row.passage_id for row in rows])
            assert found(also) == allowed
        finally:
            index.close()

    @pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
    def test_narrow_scopes_lose_no_recall(self, open_: Callable[..., PassageIndex], share: float) -> None:
        """recall@10 of the vector leg against exact filtered search, at least 0.99."""
        index = open_()
        rng = np.random.default_rng(7)
        rows = [make_row(n, rights_id=int(rng.random() < share), language="en") for n in range(1, 2001)]
        index.apply(rows, 2000)
        allowed = [row for row in rows if row.rights_id == 1]
        matrix = np.stack([row.vector for row in allowed if row.vector is not None])
        hit = 0
        for number in range(20):
            query = _unit(10_000 + number)
            exact = np.argsort(-(matrix @ query))[:10]
            wanted = {allowed[i].passage_id for i in exact.tolist()}
            hit += len(wanted & found(index.search_vector(query, make_scope(1), 10)))
        assert hit / 200 >= 0.99

    # -- change -----------------------------------------------------------------------------------------------
    def test_a_change_is_seen_by_the_next_search(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        index.apply([make_row(n) for n in range(1, 11)], 10)
        index.apply([make_row(3, rights_id=2, seq=11)], 11)
        assert 3 not in search_all(index, make_scope(1)) and search_all(index, make_scope(2)) == {3}
        index.apply([make_row(3, rights_id=1, seq=12)], 12)
        assert 3 in search_all(index, make_scope(1)) and search_all(index, make_scope(2)) == set()
        index.apply([make_row(4, text="replaced altogether", seq=13)], 13)
        assert found(index.search_text("replaced", make_scope(1), 10)) == {4}
        assert 4 not in found(index.search_text("only4", make_scope(1), 10)[:1])

    def test_deletes_delete_by_count(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        index.apply([make_row(n) for n in range(1, 21)], 20)
        index.apply([make_row(n, live=False, text="", vector=None, seq=21) for n in range(1, 6)], 21)
        assert index.passage_ids() == set(range(6, 21)) == search_all(index, make_scope(1))
        index.apply([make_row(99, live=False, text="", vector=None, seq=22)], 22)
        assert index.passage_ids() == set(range(6, 21))

    def test_replaying_is_idempotent(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        rows = [make_row(n) for n in range(1, 21)] + [make_row(5, live=False, vector=None, seq=21)]
        for _ in range(3):
            index.apply(rows, 21)
        assert index.passage_ids() == set(range(1, 21)) - {5} == search_all(index, make_scope(1))
        assert index.applied_seq == 21
        before = index.search_text("tariff отпуск", make_scope(1), 10)
        index.apply(rows, 21)
        assert [h.passage_id for h in index.search_text("tariff отпуск", make_scope(1), 10)] == [
            h.passage_id for h in before
        ]

    def test_rows_without_vectors_are_found_by_words(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        index.apply([make_row(1, vector=None), make_row(2)], 2)
        assert found(index.search_text("only1", make_scope(1), 5)) >= {1}
        assert found(index.search_vector(_unit(1), make_scope(1), 5)) == {2}

    # -- processes --------------------------------------------------------------------------------------------
    def test_it_opens_again_as_it_was_closed(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        index.apply([make_row(n) for n in range(1, 21)], 20)
        before = [
            index.search_text("tariff", make_scope(1), 9),
            index.search_vector(_unit(5), make_scope(1), 9),
        ]
        index.close()
        again = open_()
        assert again.applied_seq == 20 and again.passage_ids() == set(range(1, 21))
        after = [
            again.search_text("tariff", make_scope(1), 9),
            again.search_vector(_unit(5), make_scope(1), 9),
        ]
        assert after == before

    def test_a_second_owner_fails_loudly(self, open_: Callable[..., PassageIndex]) -> None:
        open_()
        with pytest.raises(Conflict):
            open_()

    def test_a_reader_follows_the_owner_and_cannot_write(self, open_: Callable[..., PassageIndex]) -> None:
        owner = open_()
        reader = open_(owner=False)
        assert search_all(reader, make_scope(1)) == set()
        owner.apply([make_row(n) for n in range(1, 8)], 7)
        reader.refresh()
        assert search_all(reader, make_scope(1)) == set(range(1, 8)) and reader.applied_seq == 7
        owner.apply([make_row(2, live=False, vector=None, seq=8)], 8)
        reader.refresh()
        assert search_all(reader, make_scope(1)) == {1, 3, 4, 5, 6, 7}
        fresh = owner.rebuild()
        fresh.apply([make_row(5)], 9)
        fresh.publish()
        reader.refresh()
        assert search_all(reader, make_scope(1)) == {5}
        with pytest.raises(Conflict):
            reader.apply([make_row(1)], 10)

    def test_a_tail_answers_as_the_applied_index_would(self, open_: Callable[..., PassageIndex]) -> None:
        index = open_()
        index.apply([make_row(n) for n in range(1, 61)], 60)
        tail = [
            make_row(3, live=False, vector=None, seq=61),
            make_row(7, rights_id=2, seq=62),
            make_row(61, text="roaming tariff tariff", seq=63),
        ]
        view = index.with_tail(tail)
        text = view.search_text("roaming tariff", make_scope(1), 10)
        dense = view.search_vector(_unit(61), make_scope(1), 10)
        assert 61 in found(text) and not {3, 7} & search_all(view, make_scope(1))
        assert search_all(view, make_scope(2)) == {7}
        index.apply(tail, 63)
        applied = index.search_text("roaming tariff", make_scope(1), 10)
        assert text[0].passage_id == applied[0].passage_id == 61
        assert applied[0].score == pytest.approx(text[0].score, rel=0.1)
        assert dense[0].passage_id == index.search_vector(_unit(61), make_scope(1), 10)[0].passage_id == 61

    def test_a_rebuild_leaves_nothing_of_the_old(
        self, open_: Callable[..., PassageIndex], tmp_path: Path
    ) -> None:
        index = open_()
        index.apply([make_row(1, text="zanzibarcodeword here"), make_row(2)], 2)
        index.apply([make_row(1, live=False, text="", vector=None, seq=3)], 3)
        fresh = index.rebuild()
        fresh.apply([make_row(2)], 3)
        assert index.passage_ids() == {2}
        fresh.publish()
        assert index.passage_ids() == {2} and index.applied_seq == 3
        index.apply([make_row(9, seq=4)], 4)
        assert search_all(index, make_scope(1)) == {2, 9}
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(b"zanzibarcodeword" in path.read_bytes() for path in files)

    def test_tenants_have_indexes_of_their_own(self, open_: Callable[..., PassageIndex]) -> None:
        bank, telecom = open_("bank"), open_("../telecom")
        bank.apply([make_row(1)], 1)
        assert search_all(bank, make_scope(1)) == {1} and search_all(telecom, make_scope(1)) == set()

    def test_a_killed_writer_loses_nothing_acknowledged(self, tmp_path: Path) -> None:
        """kill -9 at random moments; everything acknowledged is there, nothing is torn, and writing goes on."""
        rng = np.random.default_rng(11)
        acknowledged = 0
        with KilledWriters(self.writer_program(tmp_path)) as writers:
            for number in range(self.kills):
                # Every fourth life is long enough for segments to be merged.
                longest_s = 0.4 if number % 4 == 3 else 0.15
                acknowledged = max(acknowledged, writers.run_and_kill(float(rng.uniform(0.0, longest_s))))
            patience_s = 0.5  # a busy machine may acknowledge nothing in lives so short
            while not acknowledged and patience_s < 20:
                acknowledged = writers.run_and_kill(patience_s)
                patience_s *= 2
        index = self.open_index(tmp_path, "main", owner=True)
        try:
            assert index.applied_seq >= acknowledged > 0
            index.apply(batch_of(index.applied_seq + 1), index.applied_seq + 1)
            assert index.passage_ids() == live_after(index.applied_seq)
            assert search_all(index, make_scope(1), 100_000) == live_after(index.applied_seq)
        finally:
            index.close()


class KilledWriters:
    """A process that has imported everything and forks a writer a round, so that a round takes no start-up time.

    A writer that ends by itself fails the test with its own error.
    """

    def __init__(self, writer_program: str) -> None:
        program = f"from countersign.testing.passage_index_suite import fork_writers\nfork_writers({writer_program!r})"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._parent = subprocess.Popen(  # noqa: S603 our own interpreter and program
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def __enter__(self) -> KilledWriters:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()
        self._errors.close()

    def run_and_kill(self, after_s: float) -> int:
        """Kills the writer `after_s` after it is ready; returns the last mutation that it acknowledged, or 0."""
        send, receive = self._parent.stdin, self._parent.stdout
        assert send is not None and receive is not None
        send.write(b"go\n")
        send.flush()
        pid, last = 0, 0
        for line in receive:  # a short write to a pipe is never torn
            word, _, said = line.decode().rstrip().partition(" ")
            if word == "began":
                pid = int(said)
            elif word == "ready":
                time.sleep(after_s)
                with suppress(ProcessLookupError):  # it ended by itself, and says so
                    os.kill(pid, signal.SIGKILL)
            elif word == "applied":
                last = int(said)
            elif int(said) == -signal.SIGKILL:
                return last
            else:
                raise AssertionError(f"the writer ended by itself with {said}:\n{self._failure()}")
        raise AssertionError(f"the process that forks the writers is gone:\n{self._failure()}")

    def _failure(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")


def fork_writers(writer_program: str) -> None:
    """The other side of `KilledWriters`: a child a line on standard input."""
    code = compile(writer_program, "writer", "exec")
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _say(f"began {os.getpid()}")
            exec(code, {})  # noqa: S102
            os._exit(1)  # not on to the next line
        _, status = os.waitpid(pid, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def batch_of(seq: int) -> list[IndexRow]:
    """What mutation `seq` does in the kill test: adds three passages, changes one, removes one."""
    added = [make_row(3 * seq + i, seq=seq) for i in range(3)]
    if seq < 3:
        return added
    changed = make_row(3 * (seq - 1), text=f"changed at {seq}", seq=seq)
    removed = make_row(3 * (seq - 2) + 1, live=False, text="", vector=None, seq=seq)
    return [*added, changed, removed]


def live_after(seq: int) -> set[int]:
    added = {3 * s + i for s in range(1, seq + 1) for i in range(3)}
    return added - {3 * (s - 2) + 1 for s in range(3, seq + 1)}


def write_for_ever(index: PassageIndex) -> None:
    """Applies mutation after mutation, printing each number once it is applied."""
    _say("ready")
    while True:
        seq = index.applied_seq + 1
        index.apply(batch_of(seq), seq)
        _say(f"applied {seq}")


def _unit(number: int) -> Vector:
    vector = make_row(number).vector
    assert vector is not None
    return vector


def _admits(scope: Scope, row: IndexRow) -> bool:
    return (
        row.rights_id in scope.rights_ids
        and row.source in scope.sources
        and row.valid_from_day <= scope.day < row.valid_to_day
        and (not scope.document_ids or row.document_id in scope.document_ids)
    )

"""Retrieval by its front door: a real database, a real index, people with different rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Rights
from countersign.domain.errors import ProviderTimeout
from countersign.retrieval.retrieve import Retriever
from countersign.retrieval.upkeep import catch_up, compare, rebuild
from countersign.storage.passage_index import PassageIndexes
from countersign.storage.passage_text import TextIndex
from countersign.storage.passages import SqlPassageStore
from tests.retrieval.library import DIMENSION, MODEL, NOW, BagOfGrams, Library, ask, group, person, texts

pytestmark = pytest.mark.anyio

LEAVE = "Annual leave is 30 calendar days for every employee."
BONUS = "The board bonus for 2026 is 12 million tenge."
ROAMING = "Тариф роуминга в Казахстане составляет 45 тенге за минуту."
LEAVE_KK = "Қызметкерлердің жыл сайынғы демалысы күнтізбелік 30 күн."


class House:
    """Database, owner's indexes and a retriever, as the app joins them."""

    def __init__(self, folder: Path, *, vectors: bool = True) -> None:
        self.folder = folder
        self.library = Library(folder)
        self.store = SqlPassageStore(self.library.database, MODEL if vectors else None)
        self.dimension = DIMENSION if vectors else None
        self.indexes = PassageIndexes(folder / "index", self.dimension, owner=True)
        self.retriever = Retriever(self.store, self.indexes.of, BagOfGrams() if vectors else None)

    def reader(self) -> Retriever:
        readers = PassageIndexes(self.folder / "index", self.dimension, owner=False)
        return Retriever(self.store, readers.of, BagOfGrams() if self.dimension else None)

    def close(self) -> None:
        self.indexes.close()
        self.library.close()


@pytest.fixture(params=[True, False], ids=["vectors", "lexical"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(tmp_path, vectors=request.param)
    house.library.put("leave", [LEAVE], group("staff"))
    house.library.put("bonus", [BONUS], group("board"))
    house.library.put("roaming", [ROAMING], group("staff"))
    house.library.put("leave-kk", [LEAVE_KK], group("staff"))
    yield house
    house.close()


async def test_each_person_sees_only_what_the_rights_say(house: House) -> None:
    staff = await ask(house.retriever, person("staff"), "How many days of annual leave?")
    assert texts(staff)[0] == LEAVE and BONUS not in texts(staff)
    board = await ask(house.retriever, person("board"), "board bonus in tenge")
    assert texts(board) == [BONUS]
    assert texts(await ask(house.retriever, person(), "board bonus")) == []


async def test_words_are_found_in_other_forms(house: House) -> None:
    assert texts(await ask(house.retriever, person("staff"), "тарифы на роуминг"))[0] == ROAMING
    assert texts(await ask(house.retriever, person("staff"), "демалыс қанша күн"))[0] == LEAVE_KK


async def test_every_clause_must_be_satisfied(house: House) -> None:
    both = Rights.of(["group:staff", "group:board"], all_of=["group:cleared"])
    house.library.put("secret", ["Merger plan codename Tolkyn."], both)
    assert texts(await ask(house.retriever, person("staff"), "merger plan codename"))[:1] != [
        "Merger plan codename Tolkyn."
    ]
    seen = await ask(house.retriever, person("staff", "cleared"), "merger plan codename")
    assert texts(seen)[0] == "Merger plan codename Tolkyn."
    house.library.put("nobody", ["Nobody may read this merger note."], Rights())
    seen = await ask(house.retriever, person("staff", "cleared", "board"), "merger note")
    assert "Nobody may read this merger note." not in texts(seen)


async def test_a_change_is_seen_by_the_very_next_question(house: House) -> None:
    await ask(house.retriever, person("staff"), "leave")
    house.library.put("leave", ["Annual leave is 24 calendar days."], group("staff"))
    seen = texts(await ask(house.retriever, person("staff"), "annual leave days"))
    assert seen[0] == "Annual leave is 24 calendar days." and LEAVE not in seen
    doc = house.library.put("extra", ["Sabbatical lasts 90 days."], group("board"))
    assert "Sabbatical lasts 90 days." not in texts(await ask(house.retriever, person("staff"), "sabbatical"))
    house.library.grant(doc, group("staff"))
    assert texts(await ask(house.retriever, person("staff"), "sabbatical"))[0] == "Sabbatical lasts 90 days."
    house.library.grant(doc, group("board"))
    assert "Sabbatical lasts 90 days." not in texts(await ask(house.retriever, person("staff"), "sabbatical"))
    house.library.grant(doc, group("staff"))
    house.library.delete(doc)
    assert "Sabbatical lasts 90 days." not in texts(await ask(house.retriever, person("staff"), "sabbatical"))


async def test_the_database_has_the_last_word(house: House) -> None:
    await ask(house.retriever, person("staff"), "leave")
    house.library.grant_without_telling_the_index("doc-main-leave", group("board"))
    seen = await ask(house.retriever, person("staff"), "annual leave days")
    assert LEAVE not in texts(seen) and seen.dropped >= 1


async def test_a_reader_answers_from_the_newest_state(house: House) -> None:
    await ask(house.retriever, person("staff"), "leave")
    reader = house.reader()
    house.library.put("leave", ["Annual leave is 24 calendar days."], group("staff"))
    doc = house.library.put("new", ["Parental leave is 56 days."], group("staff"))
    house.library.delete("doc-main-roaming")
    seen = await ask(reader, person("staff"), "annual leave days")
    assert texts(seen)[0] == "Annual leave is 24 calendar days." and LEAVE not in texts(seen)
    assert texts(await ask(reader, person("staff"), "parental leave"))[0] == "Parental leave is 56 days."
    assert ROAMING not in texts(await ask(reader, person("staff"), "тариф роуминга"))
    assert "Parental leave is 56 days." not in texts(await ask(reader, person("board"), "parental leave"))
    owner = await ask(house.retriever, person("staff"), "annual leave days")
    assert texts(await ask(reader, person("staff"), "annual leave days"))[:2] == texts(owner)[:2]
    house.library.grant(doc, group("board"))
    assert "Parental leave is 56 days." not in texts(await ask(reader, person("staff"), "parental leave"))


async def test_a_reader_without_an_index_answers_all_the_same(house: House) -> None:
    seen = await ask(house.reader(), person("staff"), "annual leave days")
    assert texts(seen)[0] == LEAVE and BONUS not in texts(seen)


async def test_validity_is_judged_at_the_date_of_the_question(house: House) -> None:
    house.library.put("old", ["Card fee was 500 tenge."], group("staff"), valid_to="2026-06-01T00:00:00.000Z")
    house.library.put(
        "next", ["Card fee will be 900 tenge."], group("staff"), valid_from="2027-01-01T00:00:00.000Z"
    )

    async def at(moment: datetime) -> list[str]:
        found = await house.retriever.retrieve(
            person("staff"), "card fee tenge", sources=["files"], as_of=moment
        )
        return [text for text in texts(found) if text.startswith("Card")]

    assert await at(NOW) == []
    assert await at(datetime(2026, 5, 31, 23, 59, tzinfo=UTC)) == ["Card fee was 500 tenge."]
    assert await at(datetime(2026, 6, 1, tzinfo=UTC)) == []
    assert await at(datetime(2027, 1, 1, tzinfo=UTC)) == ["Card fee will be 900 tenge."]


async def test_sources_and_documents_narrow_the_search(house: House) -> None:
    doc = house.library.put("other", [LEAVE + " Other."], group("staff"), source="archive")
    assert LEAVE + " Other." not in texts(await ask(house.retriever, person("staff"), "annual leave"))
    found = await house.retriever.retrieve(
        person("staff"), "annual leave", sources=["files", "archive"], as_of=NOW, document_ids=[doc]
    )
    assert texts(found) == [LEAVE + " Other."]
    nothing = await house.retriever.retrieve(person("staff"), "annual leave", sources=[], as_of=NOW)
    assert nothing.passages == ()


async def test_tenants_never_meet(house: House) -> None:
    house.library.put("theirs", ["Annual leave of the bank is 40 days."], group("staff"), tenant="bank")
    ours = await ask(house.retriever, person("staff"), "annual leave of the bank")
    assert "Annual leave of the bank is 40 days." not in texts(ours)
    theirs = await ask(house.retriever, person("staff", tenant="bank"), "annual leave")
    assert texts(theirs) == ["Annual leave of the bank is 40 days."]


async def test_history_moves_the_search(house: House) -> None:
    history = [HistoryTurn("user", "How much is roaming, тариф роуминга?"), HistoryTurn("assistant", "45.")]
    found = await house.retriever.retrieve(
        person("staff"), "и за минуту?", sources=["files"], as_of=NOW, history=history
    )
    assert texts(found)[0] == ROAMING


async def test_the_answer_before_moves_the_search_by_meaning_and_nothing_else(house: House) -> None:
    parking = "Parking permits at the head office cost 7000 tenge."
    for number, text in enumerate([parking, "Menu of the canteen.", "Visitors wear a badge."]):
        house.library.put(f"other{number}", [text], group("staff"))

    async def found(reply: str) -> list[str]:
        history = [HistoryTurn("user", "zzzz?"), HistoryTurn("assistant", reply)]
        return texts(
            await house.retriever.retrieve(
                person("staff"), "yyyy?", sources=["files"], as_of=NOW, history=history, limit=20
            )
        )

    if house.dimension is None:
        assert await found(parking) == []
    else:
        after_parking, after_leave = await found(parking), await found(LEAVE)
        assert after_parking.index(parking) < after_parking.index(LEAVE)
        assert after_leave.index(LEAVE) < after_leave.index(parking)
    assert BONUS not in await found(BONUS)


async def test_neighbours_follow_within_bounds(house: House) -> None:
    parts = [
        "Chapter about parking.",
        "Parking permits cost 7000 tenge.",
        "Permits end in December.",
        "Far away.",
    ]
    house.library.put("parking", parts, group("staff"))
    found = await ask(house.retriever, person("staff"), "parking permits cost", limit=1)
    assert texts(found)[0] == parts[1]
    assert set(texts(found)[1:]) == {parts[0], parts[2]}
    assert all(p.features == {"neighbour": 1.0} for p in found.passages[1:])


async def test_an_embedder_that_fails_leaves_words(house: House) -> None:
    class Broken(BagOfGrams):
        async def embed_query(self, text: str):
            raise ProviderTimeout("too slow")

    retriever = Retriever(house.store, house.indexes.of, Broken())
    found = await ask(retriever, person("staff"), "annual leave days")
    assert texts(found)[0] == LEAVE and found.lexical_only and found.reason == "provider_timeout"


async def test_a_question_is_embedded_once_however_often_it_is_searched(house: House) -> None:
    embedded: list[str] = []

    class Counting(BagOfGrams):
        async def embed_query(self, text: str):
            embedded.append(text)
            return await super().embed_query(text)

    retriever = Retriever(house.store, house.indexes.of, Counting())
    staff, question = person("staff"), "annual leave days"
    first = await retriever.retrieve(staff, question, sources=["files"], as_of=NOW)
    again = await retriever.retrieve(staff, question, sources=["files"], as_of=NOW, vectors=first.vectors)
    assert embedded == [question]
    assert again == first and not again.lexical_only


async def test_scores_stay_out_of_the_text_and_features_are_there(house: House) -> None:
    found = await ask(house.retriever, person("staff"), "annual leave days")
    assert found.passages[0].text == LEAVE
    assert found.features["found"] >= 1 and 0 <= found.features["top_score"] <= 1
    assert found.passages[0].page is None and found.passages[0].boxes == ((1, (0.1, 0.2, 0.3, 0.4)),)
    assert found.applied_seq == await house.store.last_seq()


async def test_index_and_database_are_compared_and_the_index_rebuilt(house: House) -> None:
    index = house.indexes.of("main")
    await catch_up(house.store, index, "main")
    assert (await compare(house.store, index, "main")).equal
    rows = await house.store.changes("main", 0, 100)
    index.apply([replace(rows[0], live=False), replace(rows[1], passage_id=999)], index.applied_seq)
    difference = await compare(house.store, index, "main")
    assert difference.missing == {rows[0].passage_id} and difference.extra == {999}
    await rebuild(house.store, index, "main")
    assert (await compare(house.store, index, "main")).equal
    assert texts(await ask(house.retriever, person("staff"), "annual leave days"))[0] == LEAVE


async def test_an_index_that_finds_itself_damaged_is_made_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(house.retriever, person("staff"), "annual leave days")
    house.library.put("sick", ["Sick leave is paid from the first day."], group("staff"))
    really, lies = TextIndex._matching, [1]  # pyright: ignore[reportPrivateUsage]

    def matching(self: TextIndex, ids: Sequence[int]) -> int:
        """Once as if one more was there, so that its delete seems not to have deleted."""
        return really(self, ids) + (lies.pop() if lies else 0)

    monkeypatch.setattr(TextIndex, "_matching", matching)
    found = await ask(house.retriever, person("staff"), "is sick leave paid")
    assert not lies
    assert texts(found)[0] == "Sick leave is paid from the first day."
    assert (await compare(house.store, house.indexes.of("main"), "main")).equal


async def test_a_mutation_is_never_split_between_pages(house: House) -> None:
    house.library.put("long", [f"Paragraph {n} of a long text." for n in range(30)], group("staff"))
    rows = await house.store.changes("main", 0, 10)
    last = [row for row in rows if row.seq == rows[-1].seq]
    assert len(last) == 30


GROUPS = ("staff", "board", "quality")
STEP = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 3), st.sampled_from(GROUPS)),
    st.tuples(st.just("grant"), st.integers(0, 3), st.sampled_from(GROUPS)),
    st.tuples(st.just("delete"), st.integers(0, 3), st.just("")),
    st.tuples(st.just("ask"), st.just(0), st.sampled_from(GROUPS)),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=4, max_size=14))
async def test_no_interleaving_answers_from_what_is_not_permitted(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    """Owner and reader both give exactly what the rights say at the moment of each question."""
    house = House(tmp_path_factory.mktemp("house"))
    reader = house.reader()
    truth: dict[str, tuple[str, str]] = {}
    gone: set[str] = set()
    try:
        for number, (action, key_number, who) in enumerate([*steps, *(("ask", 0, g) for g in GROUPS)]):
            key = f"k{key_number}"
            if action == "put" and key not in gone:
                text = f"Tariff note {number} about roaming."
                house.library.put(key, [text], group(who))
                truth[key] = (text, who)
            elif action == "grant" and key in truth:
                house.library.grant(f"doc-main-{key}", group(who))
                truth[key] = (truth[key][0], who)
            elif action == "delete" and key in truth:
                house.library.delete(f"doc-main-{key}")
                gone.add(key)
                del truth[key]
            elif action == "ask":
                allowed = {text for text, readers in truth.values() if readers == who}
                for retriever in (house.retriever, reader):
                    assert set(texts(await ask(retriever, person(who), "roaming tariff note"))) == allowed
    finally:
        house.close()

"""What every `SourceConnector` must do. Inherit `SourceConnectorSuite` and give it a `world` fixture: an empty source.

What is checked is what the rest of the system relies on: a listing is whole or an error, an id is stable and leads nowhere
else, a revision moves with its content, rights fail closed, and nothing that is said of a failure holds a secret.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Protocol

import pytest

from countersign.domain.documents import Rights
from countersign.domain.errors import CountersignError, SourceError
from countersign.sources.connector import Listed, SourceConnector

_MOST = 10_000_000
NAMES = (
    "шарт № 7.txt",
    "ақша қаражаты — үлгі.txt",
    "合同.txt",
    "وثيقة.txt",
    "rate + fee 100%20 (copy).txt",
    "q?x=1#y&z.txt",
    "подпись 😀.txt",
    'it\'s; a "name".txt',
)
STRANGE_IDS = (
    "",
    ".",
    "..",
    "../secret.txt",
    "/etc/hostname",
    "a/../../secret.txt",
    "nothing.txt",
    "a\0b",
    "x" * 5000,
)


class SourceWorld(Protocol):
    """A source as its owner works on it. A document is known by the name that the owner gave it."""

    secrets: tuple[str, ...]
    """What the connector was given and must never repeat."""

    def connector(self) -> SourceConnector:
        """A new connector of this source, as one pass over it gets."""
        ...

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        """Write a document, or write it anew; no group means that nobody may see it."""
        ...

    def remove(self, name: str) -> None: ...

    def forbid(self, name: str) -> None:
        """Give it rights that cannot be expressed (a deny entry, say)."""
        ...

    def break_after(self, count: int | None) -> None:
        """From now on the source dies after telling `count` bytes; None mends it."""
        ...

    def id_of(self, name: str) -> str: ...


class SourceConnectorSuite:
    breaks = True
    """Whether `break_after` can be done to it."""
    cuts: tuple[int, ...] = (0, 100, 700, 3_000)
    says_too_much = True
    """Whether rights can be said there that cannot be expressed here."""
    names: tuple[str, ...] = NAMES

    def test_everything_is_listed_once_under_stable_ids(self, world: SourceWorld) -> None:
        for number in range(12):
            world.put(f"note-{number}.txt", f"Number {number}.", ("staff",))
        first = [item.document.external_id for item in listed(world)]
        assert sorted(first) == sorted(world.id_of(f"note-{number}.txt") for number in range(12))
        assert [item.document.external_id for item in listed(world)] == first
        assert all(item.document.source and item.document.tenant for item in listed(world))

    def test_what_is_listed_can_be_read(self, world: SourceWorld) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        assert "The fee is 500 tenge." in text_of(world, "fees.txt")

    def test_names_in_any_script_are_ids(self, world: SourceWorld) -> None:
        for name in self.names:
            world.put(name, f"This is {name}", ("staff",))
        found = by_id(world)
        assert set(found) == {world.id_of(name) for name in self.names}
        assert [item.problem for item in found.values() if item.problem] == []
        for name in self.names:
            assert "This is" in text_of(world, name)

    def test_a_revision_stays_with_its_content_and_moves_with_it(self, world: SourceWorld) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        world.put("other.txt", "Something else.", ("staff",))
        before, again = by_id(world), by_id(world)
        fees, other = world.id_of("fees.txt"), world.id_of("other.txt")
        for name in (fees, other):
            assert same(before[name], again[name]) or not (before[name].revision and again[name].revision)
        world.put("fees.txt", "The fee is 900 tenge.", ("staff",))  # the same length
        after = by_id(world)
        assert not same(before[fees], after[fees])
        assert "900" in text_of(world, "fees.txt")

    def test_what_is_gone_is_neither_listed_nor_read(self, world: SourceWorld) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        world.put("other.txt", "Something else.", ("staff",))
        world.remove("fees.txt")
        assert set(by_id(world)) == {world.id_of("other.txt")}
        with pytest.raises(SourceError):
            text_of(world, "fees.txt")

    def test_a_limit_is_kept(self, world: SourceWorld) -> None:
        world.put("long.txt", "tenge " * 2_000, ("staff",))
        with pytest.raises(SourceError) as raised:
            world.connector().read(world.id_of("long.txt"), 1_000)
        assert raised.value.code == "source_file_too_large"

    def test_rights_are_those_of_the_source_and_nothing_said_is_nobody(self, world: SourceWorld) -> None:
        world.put("open.txt", "For the staff.", ("staff", "hr"))
        world.put("closed.txt", "For nobody.", ())
        found = by_id(world)
        assert found[world.id_of("open.txt")].document.rights == Rights.of(["group:staff", "group:hr"])
        assert found[world.id_of("closed.txt")].document.rights.nobody
        assert all(item.document.rights_origin for item in found.values())

    def test_a_right_that_was_taken_is_gone_at_the_next_listing(self, world: SourceWorld) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        by_id(world)
        world.put("fees.txt", "The fee is 500 tenge.", ("board",))
        assert by_id(world)[world.id_of("fees.txt")].document.rights == Rights.of(["group:board"])
        world.put("fees.txt", "The fee is 500 tenge.", ())
        assert by_id(world)[world.id_of("fees.txt")].document.rights.nobody

    def test_rights_that_cannot_be_expressed_are_quarantined(self, world: SourceWorld) -> None:
        if not self.says_too_much:
            return
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        world.forbid("fees.txt")
        document = by_id(world)[world.id_of("fees.txt")].document
        assert document.quarantine == "rights_unsupported"
        assert document.rights.nobody

    @pytest.mark.parametrize("strange", STRANGE_IDS)
    def test_an_id_leads_nowhere_else(self, world: SourceWorld, strange: str) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        with pytest.raises(SourceError) as raised:
            world.connector().read(strange, _MOST)
        assert_no_secret(world, raised.value)

    def test_a_source_that_dies_is_never_a_short_listing(self, world: SourceWorld) -> None:
        """Whatever is missing from a listing that ends normally counts as removed."""
        if not self.breaks:
            return
        names = [f"note-{number:03}.txt" for number in range(60)]
        for name in names:
            world.put(name, "A note.", ("staff",))
        whole = {world.id_of(name) for name in names}
        assert set(by_id(world)) == whole
        failures = 0
        for cut in self.cuts:
            world.break_after(cut)
            try:
                found = {item.document.external_id for item in world.connector().list()}
            except CountersignError as error:
                failures += 1
                assert isinstance(error, SourceError)
                assert_no_secret(world, error)
            else:
                assert found == whole, f"a short listing after {cut} bytes"
        assert failures, "no cut was early enough to be noticed"
        world.break_after(0)
        with pytest.raises(SourceError):
            world.connector().read(world.id_of(names[0]), _MOST)
        world.break_after(None)
        assert set(by_id(world)) == whole

    def test_no_secret_shows_itself(self, world: SourceWorld) -> None:
        world.put("fees.txt", "The fee is 500 tenge.", ("staff",))
        connector = world.connector()
        said = f"{connector!r} {connector} {list(connector.list())!r}"
        assert [secret for secret in world.secrets if secret in said] == []


def listed(world: SourceWorld) -> list[Listed]:
    items: Iterator[Listed] = world.connector().list()
    return list(items)


def by_id(world: SourceWorld) -> dict[str, Listed]:
    items = listed(world)
    found = {item.document.external_id: item for item in items}
    assert len(found) == len(items), "an id was listed twice"
    return found


def text_of(world: SourceWorld, name: str) -> str:
    return world.connector().read(world.id_of(name), _MOST).decode("utf-8")


def same(one: Listed, other: Listed) -> bool:
    """Whether a pass would leave the content unread."""
    return bool(one.revision) and one.revision == other.revision


def assert_no_secret(world: SourceWorld, error: CountersignError) -> None:
    """Neither in what people are told nor in what a log would keep of it."""
    said = "".join(traceback.format_exception(error)) + error.message + error.hint
    assert [secret for secret in world.secrets if secret in said] == []

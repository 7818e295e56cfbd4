"""The mail connector on a real IMAP server, on mbox files and on folders: who wrote and who got a message may see it."""

from __future__ import annotations

import imaplib
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.documents import Rights
from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import RightsRule, Secret, SourceSettings
from countersign.sources import mail_imap
from countersign.sources.connector import Listed
from countersign.sources.mail import MailConnector, without_blind_copies
from countersign.sources.mail_head import People, read_head, thread_subject
from countersign.sources.registry import Surroundings
from countersign.testing.source_connector_suite import SourceConnectorSuite
from tests.sources.imap_server import PASSWORD, USER, ImapServer
from tests.sources.ole import compound_file
from tests.sources.wire import Wire

PEOPLE = {
    "staff@bank.test": "group:staff",
    "hr@bank.test": "group:hr",
    "board@bank.test": "group:board",
    "olga@bank.test": "user:olga, group:credit",
}


def letter(subject: str = "Fees", body: str = "The fee is 500.", **headers: str) -> bytes:
    message = EmailMessage()
    said = {"From": "archive@elsewhere.test", "To": "staff@bank.test", "Subject": subject, **headers}
    for name, value in said.items():
        if value:
            message[name.replace("_", "-")] = value
    message.set_content(body, cte="8bit")
    return message.as_bytes()


def connector(
    root: Path,
    url: str,
    people: Mapping[str, str] | None = PEOPLE,
    rules: tuple[RightsRule, ...] = (),
    sidecar: str = "",
    tenants: tuple[str, ...] = ("bank",),
    **options: Any,
) -> MailConnector:
    given: dict[str, Any] = {"password": Secret("${env:MAIL}", PASSWORD), **options}
    if people is not None:
        given["people"] = people
    settings = SourceSettings(
        name="mail", connector="mail", url=url, rights_rules=rules, rights_sidecar=sidecar, options=given
    )
    return MailConnector(settings, Surroundings(root, tenants, root / "cache"))


def by_title(one: MailConnector) -> dict[str, Listed]:
    return {item.document.title: item for item in one.list()}


def code_of(call: Any) -> str:
    with pytest.raises((SourceError, ConfigError)) as raised:
        call()
    assert PASSWORD not in f"{raised.value.message} {raised.value.hint} {raised.value.__cause__}"
    return raised.value.code


def imap_url(port: int) -> str:
    return f"imap://{USER}@127.0.0.1:{port}"


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer() as running:
        yield running


# -- what every connector must do ---------------------------------------------------------------------------------
def to(groups: tuple[str, ...]) -> str:
    return ", ".join(f"{group}@bank.test" for group in groups)


class FolderWorld:
    secrets = (PASSWORD,)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def connector(self) -> MailConnector:
        return connector(self.folder.parent, self.folder.name)

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        (self.folder / f"{name}.eml").write_bytes(letter("A note", text, To=to(groups)))

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.eml").unlink()

    def forbid(self, name: str) -> None: ...

    def break_after(self, count: int | None) -> None: ...

    def id_of(self, name: str) -> str:
        return f"{name}.eml"


class TestFolderOfMessages(SourceConnectorSuite):
    breaks = False
    says_too_much = False

    @pytest.fixture
    def world(self, tmp_path: Path) -> FolderWorld:
        return FolderWorld(tmp_path / "letters")


class ImapWorld:
    secrets = (PASSWORD,)

    def __init__(self, root: Path, server: ImapServer, wire: Wire) -> None:
        self.root, self.server, self.wire = root, server, wire
        self.uids: dict[str, int] = {}

    def connector(self) -> MailConnector:
        return connector(self.root, imap_url(self.wire.port), timeout=timedelta(seconds=20))

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        if name in self.uids:
            self.remove(name)
        self.uids[name] = self.server.add(letter("A note", text, To=to(groups)))

    def remove(self, name: str) -> None:
        self.server.delete(self.uids[name])

    def forbid(self, name: str) -> None: ...

    def break_after(self, count: int | None) -> None:
        self.wire.cut(count)

    def id_of(self, name: str) -> str:
        return f"INBOX/{self.server.validity()}-{self.uids.get(name, 999)}"


class TestImap(SourceConnectorSuite):
    says_too_much = False
    cuts = (0, 100, 700, 2_000)

    @pytest.fixture
    def world(self, tmp_path: Path, server: ImapServer) -> Iterator[ImapWorld]:
        with Wire(server.port) as wire:
            yield ImapWorld(tmp_path, server, wire)

    def test_a_revision_stays_with_its_content_and_moves_with_it(self, world: Any) -> None:
        """A message never changes: another one has another id."""
        world.put("fees", "The fee is 500 tenge.", ("staff",))
        before = {item.document.external_id for item in world.connector().list()}
        world.put("fees", "The fee is 900 tenge.", ("staff",))
        after = {item.document.external_id for item in world.connector().list()}
        assert len(before) == len(after) == 1
        assert not before & after


class MboxWorld:
    secrets = (PASSWORD,)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.letters: dict[str, bytes] = {}
        self.write()

    def write(self) -> None:
        parts = [b"From x Mon Jun  1 10:00:00 2026\n" + raw + b"\n" for raw in self.letters.values()]
        (self.root / "all.mbox").write_bytes(b"".join(parts))

    def connector(self) -> MailConnector:
        return connector(self.root, "all.mbox")

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        self.letters[name] = letter(f"Note {len(name)}", text, To=to(groups), Message_ID=f"<{quote(name)}@x>")
        self.write()

    def remove(self, name: str) -> None:
        self.names = self.ids()
        del self.letters[name]
        self.write()

    def forbid(self, name: str) -> None: ...

    def break_after(self, count: int | None) -> None: ...

    def ids(self) -> dict[str, str]:
        return dict(zip(self.letters, (i.document.external_id for i in self.connector().list()), strict=True))

    def id_of(self, name: str) -> str:
        return self.ids()[name] if name in self.letters else self.names[name]


class TestMbox(SourceConnectorSuite):
    breaks = False
    says_too_much = False

    @pytest.fixture
    def world(self, tmp_path: Path) -> MboxWorld:
        return MboxWorld(tmp_path)

    def test_a_revision_stays_with_its_content_and_moves_with_it(self, world: Any) -> None:
        world.put("a", "The fee is 500.", ("staff",))
        world.put("b", "Something else.", ("staff",))
        before = world.ids()
        world.put("a", "The fee is 900.", ("staff",))
        after = world.ids()
        assert (before["a"] == after["a"], before["b"] == after["b"]) == (False, True)


# -- rights and facts ---------------------------------------------------------------------------------------------
def test_sender_and_recipients_may_see_a_message_and_nobody_else(tmp_path: Path, server: ImapServer) -> None:
    server.add(letter("One", From="Olga <OLGA@bank.test>", To="x@other.test"))
    server.add(
        letter("Two", From="x@other.test", To="HR <hr@bank.test>, staff@bank.test", Cc="nobody@x.test")
    )
    server.add(letter("Three", From="x@other.test", To="x@other.test", Bcc="board@bank.test"))
    server.add(letter("Four", From='"staff@bank.test" <x@other.test>', To="undisclosed-recipients:;"))
    found = by_title(connector(tmp_path, imap_url(server.port)))
    assert found["One"].document.rights == Rights.of(["user:olga", "group:credit"])
    assert found["Two"].document.rights == Rights.of(["group:hr", "group:staff"])
    assert found["Two"].document.rights_origin == "sender and recipients (4)"
    assert found["Three"].document.rights.nobody, "who was copied blindly is not told by rights either"
    assert found["Four"].document.rights.nobody, "a name that looks like an address is a name"


def test_who_was_copied_blindly_is_not_handed_on(tmp_path: Path, server: ImapServer) -> None:
    raw = letter(Bcc="board@bank.test, secret@x.test").replace(b"Bcc:", b"bCC :")
    raw = raw.replace(b"secret@x.test", b"\n secret@x.test")
    server.add(raw)
    [item] = connector(tmp_path, imap_url(server.port)).list()
    content = connector(tmp_path, imap_url(server.port)).read(item.document.external_id, 10_000)
    assert b"board@" not in content
    assert b"secret@" not in content
    assert b"The fee is 500." in content
    assert (
        without_blind_copies(b"Subject: x\n\nBcc: stays, it is text\n")
        == b"Subject: x\n\nBcc: stays, it is text\n"
    )
    assert without_blind_copies(b"Bcc: a@b.kz\r\nTo: c@d.kz\r\n\r\nbcc") == b"To: c@d.kz\r\n\r\nbcc"


def test_a_domain_means_its_people_one_by_one() -> None:
    people = People({"@bank.test": "user:{local}, group:all", "hr@bank.test": "group:hr"}, "mail")
    assert people.terms(["asel.k@bank.test"]) == {"user:asel.k", "group:all"}
    assert people.terms(["hr@bank.test"]) == {"group:hr"}, "an entry of its own decides alone"
    assert people.terms(["x@evilbank.test", "x@bank.test.evil"]) == set()
    assert people.terms(["we|rd+tag@bank.test"]) == {"group:all"}


@pytest.mark.parametrize(
    ("who", "said"),
    [("bank.test", "group:x"), ("a@b.kz", "role:admin"), ("a@b.kz", ""), ("@", "x"), ("a@b.kz", "group:a,,")],
)
def test_people_who_cannot_be_understood_are_refused(tmp_path: Path, who: str, said: str) -> None:
    assert code_of(lambda: connector(tmp_path, "x.mbox", people={who: said})) == "config_invalid"


def test_rules_only_narrow_what_the_people_of_a_message_may_see(tmp_path: Path, server: ImapServer) -> None:
    server.add(letter())
    rules = (RightsRule("INBOX/*", ("group:kz",)),)
    url = imap_url(server.port)
    [both] = connector(tmp_path, url, rules=rules).list()
    assert both.document.rights == Rights.of(["group:staff"]).intersect(Rights.of(["group:kz"]))
    [ruled] = connector(tmp_path, url, people=None, rules=rules).list()
    assert ruled.document.rights == Rights.of(["group:kz"])
    [unmatched] = connector(tmp_path, url, rules=(RightsRule("Sent/*", ("tenant:*",)),)).list()
    assert unmatched.document.rights.nobody
    [silent] = connector(tmp_path, url, people=None).list()
    assert silent.document.rights.nobody
    [foreign] = connector(tmp_path, url, tenants=("bank", "telecom")).list()
    assert (foreign.document.quarantine, foreign.document.rights.nobody) == ("tenant_missing", True)


@pytest.mark.parametrize(
    "subject", ["Re: Fees", "Fwd: RE[2]: Fees", "Ответ: Re: Fees", "Жауап: Fees", "Пересл: fwd: Fees"]
)
def test_a_thread_has_one_subject(subject: str) -> None:
    assert thread_subject(subject) == "Fees"
    assert thread_subject("Reform: plan") == "Reform: plan"


def test_a_date_that_cannot_be_is_not_believed(tmp_path: Path, server: ImapServer) -> None:
    when = datetime(2026, 6, 2, tzinfo=UTC)
    for title, date in (
        ("a", "Mon, 1 Jun 2026 10:00:00 +0500"),
        ("b", "Tue, 1 Jan 2999 10:00:00 +0500"),
        ("c", "x"),
    ):
        server.add(letter(title).replace(b"Subject", f"Date: {date}\nSubject".encode()), when=when)
    found = by_title(connector(tmp_path, imap_url(server.port)))
    assert found["a"].document.modified == datetime(2026, 6, 1, 5, tzinfo=UTC)
    assert [found[name].document.modified for name in "bc"] == [when, when]


# -- IMAP ---------------------------------------------------------------------------------------------------------
def test_deleted_and_expunged_messages_are_gone(tmp_path: Path, server: ImapServer) -> None:
    uids = [server.add(letter(f"Note {number}")) for number in range(4)]
    url = imap_url(server.port)
    reading = connector(tmp_path, url)
    ids = [item.document.external_id for item in reading.list()]
    assert len(ids) == 4
    server.delete(uids[0])
    server.mark_deleted(uids[1])
    assert [item.document.external_id for item in connector(tmp_path, url).list()] == ids[2:]
    assert code_of(lambda: reading.read(ids[0], 10_000)) == "source_file_gone"
    assert b"500" in reading.read(ids[3], 10_000)


def test_a_pass_asks_only_for_what_is_new(
    tmp_path: Path, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = imaplib.IMAP4.uid

    def noted(self: imaplib.IMAP4, command: str, *said: str) -> Any:
        asked.append(f"{command} {said[0]}")
        return plain(self, command, *said)

    monkeypatch.setattr(imaplib.IMAP4, "uid", noted)
    url = imap_url(server.port)
    old = [server.add(letter(f"Note {number}")) for number in range(3)]
    first = list(connector(tmp_path, url).list())
    assert asked == [f"FETCH {','.join(str(uid) for uid in old)}"]
    asked.clear()
    assert list(connector(tmp_path, url).list()) == first
    assert asked == []
    new = server.add(letter("New"))
    assert len(list(connector(tmp_path, url).list())) == 4
    assert asked == [f"FETCH {new}"]
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(b"not a database at all" * 100)
    assert len(list(connector(tmp_path, url).list())) == 4, "the cache may be lost at any time"


def test_heads_of_what_is_gone_are_forgotten(tmp_path: Path, server: ImapServer) -> None:
    server.add_folder("Old")
    uid = server.add(letter("Гонорар", To="staff@bank.test"), "Old")
    url = imap_url(server.port)
    assert len(list(connector(tmp_path, url, folders=("INBOX", "Old")).list())) == 1
    server.delete(uid, "Old")
    list(connector(tmp_path, url, folders=("INBOX", "Old")).list())
    server.add(letter("Kept"), "Old")
    list(connector(tmp_path, url, folders=("Old",)).list())
    list(connector(tmp_path, url, folders=("INBOX",)).list())
    connection = sqlite3.connect(tmp_path / "cache" / "heads.db")
    assert connection.execute("SELECT count(*) FROM head").fetchone() == (0,)
    connection.close()


def test_a_folder_made_anew_holds_other_messages(tmp_path: Path, server: ImapServer) -> None:
    """The same number under another UIDVALIDITY is another message: it never inherits the first one's rights."""
    server.add_folder("Кадры & Co")
    uid = server.add(letter("Secret", To="board@bank.test"), "Кадры & Co")
    url = imap_url(server.port)
    reading = connector(tmp_path, url, folders=("*",))
    [before] = reading.list()
    assert before.document.external_id.startswith("Кадры & Co/")
    assert b"500" in reading.read(before.document.external_id, 10_000)
    server.delete_folder("Кадры & Co")
    server.add_folder("Кадры & Co")
    assert server.add(letter("Open"), "Кадры & Co") == uid
    [after] = connector(tmp_path, url, folders=("Кадры & Co",)).list()
    assert after.document.title == "Open"
    assert after.document.external_id != before.document.external_id
    fresh = connector(tmp_path, url)
    assert code_of(lambda: fresh.read(before.document.external_id, 10_000)) == "source_file_gone"


def test_what_stops_a_pass_over_a_mailbox(tmp_path: Path, server: ImapServer) -> None:
    url = imap_url(server.port)
    wrong = Secret("${env:MAIL}", "wrong-password-77")
    with pytest.raises(SourceError) as raised:
        list(connector(tmp_path, url, password=wrong).list())
    assert raised.value.code == "source_login_refused"
    assert "wrong-password-77" not in f"{raised.value.message}{raised.value.hint}"
    assert (
        code_of(lambda: list(connector(tmp_path, url, folders=("None",)).list())) == "source_folder_missing"
    )
    assert code_of(lambda: list(connector(tmp_path, imap_url(1)).list())) == "source_unavailable"
    assert code_of(lambda: connector(tmp_path, "imaps://mail.bank.test")) == "config_invalid"
    assert code_of(lambda: connector(tmp_path, url, sidecar="m.jsonl")) == "config_invalid"


def test_a_server_that_leaves_messages_out_is_not_believed(
    tmp_path: Path, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        server.add(letter(f"Note {number}"))
    plain = imaplib.IMAP4.fetch

    def forgetful(self: imaplib.IMAP4, messages: str, parts: str) -> Any:
        status, data = plain(self, messages, parts)
        return status, data[:-1]

    monkeypatch.setattr(imaplib.IMAP4, "fetch", forgetful)
    assert (
        code_of(lambda: list(connector(tmp_path, imap_url(server.port)).list())) == "source_listing_garbled"
    )


def test_a_password_is_not_sent_in_the_clear(
    tmp_path: Path, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_imap._Address, "_is_here", lambda self: False)  # pyright: ignore[reportPrivateUsage]
    url = imap_url(server.port)
    assert code_of(lambda: list(connector(tmp_path, url).list())) == "source_not_encrypted"
    assert list(connector(tmp_path, url, insecure=True).list()) == []


@pytest.mark.parametrize("tls", [True, False])
def test_tls_needs_a_certificate_that_is_trusted(tmp_path: Path, tls: bool) -> None:
    certificate = self_signed(tmp_path / "mail.pem")
    with ImapServer(certificate, tls=tls) as server:
        server.add(letter())
        url = f"{'imaps' if tls else 'imap'}://{USER}@127.0.0.1:{server.port}"
        assert code_of(lambda: list(connector(tmp_path, url).list())) == "source_certificate_untrusted"
        trusted = connector(tmp_path, url, ca_file=str(certificate))
        [item] = trusted.list()
        assert b"500" in trusted.read(item.document.external_id, 10_000)
        missing = connector(tmp_path, url, ca_file=str(tmp_path / "none.pem"))
        assert code_of(lambda: list(missing.list())) == "config_invalid"


def self_signed(path: Path) -> Path:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


# -- mbox and folders ---------------------------------------------------------------------------------------------
def test_a_message_of_an_mbox_keeps_its_name_when_others_go(tmp_path: Path) -> None:
    box = tmp_path / "all.mbox"
    parts = [
        b"From a Mon Jun  1 10:00:00 2026\n"
        + letter(f"Note {n}", "Line\n>From the start\n").replace(b"\r", b"")
        + b"\n"
        for n in range(3)
    ]
    box.write_bytes(b"".join(parts))
    before = by_title(connector(tmp_path, "all.mbox"))
    reading = connector(tmp_path, "all.mbox")
    assert b"\nFrom the start" in reading.read(before["Note 1"].document.external_id, 10_000)
    marked = parts[2].replace(b"Subject:", b"Status: RO\nX-Mozilla-Status: 0001\nSubject:")
    box.write_bytes(parts[0] + marked)
    after = by_title(connector(tmp_path, "all.mbox"))
    assert {t: i.document.external_id for t, i in after.items()} == {
        t: before[t].document.external_id for t in ("Note 0", "Note 2")
    }
    gone = before["Note 1"].document.external_id
    assert code_of(lambda: reading.read(gone, 10_000)) == "source_file_gone"
    assert b"Note 2" in reading.read(after["Note 2"].document.external_id, 10_000), "found at its new place"
    (tmp_path / "no.mbox").write_bytes(b"<html>Please sign in</html>")
    assert code_of(lambda: list(connector(tmp_path, "no.mbox").list())) == "source_not_a_mailbox"
    assert code_of(lambda: list(connector(tmp_path, "none.mbox").list())) == "source_folder_missing"


def test_an_mbox_that_is_rewritten_meanwhile_is_no_short_list(tmp_path: Path) -> None:
    box = tmp_path / "all.mbox"
    part = b"From a Mon Jun  1 10:00:00 2026\n" + letter("Note") + b"\n"
    box.write_bytes(b"".join(part.replace(b"Note", f"Note {n}".encode()) for n in range(50)))
    listing = connector(tmp_path, "all.mbox").list()
    next(listing)
    box.write_bytes(part)
    with pytest.raises(SourceError) as raised:
        list(listing)
    assert raised.value.code == "source_changed_while_read"


def test_a_folder_keeps_what_its_manifest_says_and_people_narrow_it(tmp_path: Path) -> None:
    import json

    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "a.eml").write_bytes(letter("A", To="staff@bank.test"))
    (folder / "b.eml").write_bytes(letter("B", To="staff@bank.test"))
    (folder / "notes.txt").write_text("not a message")
    rows = [
        {"file": "a.eml", "acl": ["group:kz"], "classification": "internal"},
        {"file": "annex.pdf", "attached_in": "a.eml", "acl": ["group:treasury"]},
    ]
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = by_title(connector(tmp_path, "letters", sidecar="m.jsonl"))
    assert set(found) == {"A", "B"}
    assert found["A"].document.rights == Rights.of(["group:staff"]).intersect(Rights.of(["group:kz"]))
    assert found["A"].document.classification == "internal"
    assert [part.filename for part in found["A"].document.parts] == ["annex.pdf"]
    assert found["B"].document.rights.nobody
    assert code_of(lambda: list(connector(tmp_path, "nowhere/").list())) == "source_folder_missing"


def outlook(subject: str, sender: str, recipients: Mapping[str, int]) -> bytes:
    """`recipients`: address → 1 To, 2 Cc, 3 Bcc."""

    def wide(value: str) -> bytes:
        return value.encode("utf-16-le")

    content = {"__substg1.0_0037001F": wide(subject), "__substg1.0_5D01001F": wide(sender)}
    content["__substg1.0_1000001F"] = wide("The fee is 500 tenge.")
    for number, (address, kind) in enumerate(recipients.items()):
        folder = f"__recip_version1.0_#{number:08X}"
        content[f"{folder}/__substg1.0_39FE001F"] = wide(address)
        entry = (0x0C150003).to_bytes(4, "little") + bytes(4) + kind.to_bytes(8, "little")
        content[f"{folder}/__properties_version1.0"] = bytes(8) + entry
    return compound_file(content)


def test_an_outlook_message_has_the_rights_of_its_people(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    people = {"staff@bank.test": 1, "hr@bank.test": 2, "board@bank.test": 3}
    (folder / "a.msg").write_bytes(outlook("RE: Тариф", "OLGA@bank.test", people))
    (folder / "b.msg").write_bytes(outlook("B", "x@y.test", {})[:900])
    (folder / "c.MSG").write_bytes(b"not OLE at all, staff@bank.test")
    found = {item.document.external_id: item.document for item in connector(tmp_path, "letters").list()}
    expected = Rights.of(["user:olga", "group:credit", "group:staff", "group:hr"])
    assert (found["a.msg"].title, found["a.msg"].rights) == ("Тариф", expected)
    assert found["b.msg"].rights.nobody
    assert found["c.MSG"].rights.nobody


def test_a_message_that_became_another_after_it_was_listed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    file = tmp_path / "letters" / "a.eml"
    file.write_bytes(letter("A"))
    reading = connector(tmp_path, "letters")
    assert len(list(reading.list())) == 1
    file.write_bytes(letter("Secret", To="board@bank.test"))
    assert code_of(lambda: reading.read("a.eml", 10_000)) == "source_changed_while_read"
    assert len(list(reading.list())) == 1
    assert b"Secret" in reading.read("a.eml", 10_000)


@given(st.binary(max_size=400))
def test_no_head_however_broken_stops_the_reading_or_grants_by_accident(raw: bytes) -> None:
    head = read_head(b"From: " + raw)
    terms = People(PEOPLE, "mail").terms(head.people)
    text = raw.decode("latin-1").casefold()
    assert all(any(address in text for address in PEOPLE) for _ in terms)
    without_blind_copies(raw)

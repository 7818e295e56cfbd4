"""From the source to the answer and back: who may see a row, a mail or a page is answered from it, and nobody else; what
changes at the source is seen by the next question after the next pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from countersign.app.house import House
from countersign.domain.workspace import RightsRule, Secret, SourceSettings
from tests.journeys.parts import ask, mail, row_of, said_in, sync
from tests.sources.http_servers import HttpServer
from tests.sources.imap_server import PASSWORD, USER, ImapServer
from tests.sources.test_web import Pages, page
from tests.workspaces import assistant, opened, person, workspace

QUESTION = "How high is the fee for a Tolkyn transfer?"
FEE = "The fee for a Tolkyn transfer is {} tenge. It is charged on the day of the transfer."


@asynccontextmanager
async def house_over(root: Path, settings: SourceSettings) -> AsyncIterator[House]:
    made = workspace(
        root,
        sources={settings.name: settings},
        assistants={"staff-help": assistant(sources=(settings.name,))},
    )
    async with opened(made, root / "models", ingest=False) as house:
        yield house


async def sees(house: House, groups: list[str], what: str = "500") -> bool:
    return what in said_in(
        await ask(house, await person(house, "-".join(groups) or "nobody", groups), QUESTION)
    )


@pytest.mark.anyio
async def test_rows_of_a_database(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'bank.db'}")

    def run(statement: str, **values: Any) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement), values)

    run("CREATE TABLE tariff (code TEXT PRIMARY KEY, title TEXT, body TEXT, readers TEXT, ends TEXT)")
    run("INSERT INTO tariff VALUES ('t/1', 'Tolkyn transfer', :body, 'staff', NULL)", body=FEE.format(500))
    run("INSERT INTO tariff VALUES ('t/2', 'Other', 'Something about parking.', 'staff', NULL)")
    options = {"query": "SELECT * FROM tariff", "key": "code", "title": "title", "body": ("body",)}
    options |= {"any_of": "readers", "valid_to": "ends"}
    url = f"sqlite:///{tmp_path / 'bank.db'}"
    settings = SourceSettings(name="core", connector="database", url=url, options=options)
    async with house_over(tmp_path, settings) as house:
        report = await sync(house, "core")
        assert (report.new, report.problems) == (2, ())
        assert await sees(house, ["staff"])
        assert not await sees(house, ["sales"])
        run("UPDATE tariff SET readers = 'board' WHERE code = 't/1'")
        await house.sync("core", lambda step: None)
        assert not await sees(house, ["staff"])
        assert await sees(house, ["board"])
        # opened and rewritten at once: the old text never reaches the new readers
        run("UPDATE tariff SET readers = 'sales', body = :body WHERE code = 't/1'", body=FEE.format(700))
        await house.sync("core", lambda step: None)
        assert not await sees(house, ["sales"])
        assert not await sees(house, ["board"])
        await house.worker.drain()
        assert await sees(house, ["sales"], "700")
        assert (await sync(house, "core")).unchanged == 2
        run("UPDATE tariff SET readers = 'sales, !interns' WHERE code = 't/1'")
        await house.sync("core", lambda step: None)
        assert not await sees(house, ["sales"], "700")
        assert (await row_of(house, "t/1"))["reason"] == "rights_unsupported"
        run("UPDATE tariff SET readers = 'sales' WHERE code = 't/1'")
        await sync(house, "core")
        assert await sees(house, ["sales"], "700")
        run("UPDATE tariff SET ends = '2020-01-01' WHERE code = 't/1'")
        await house.sync("core", lambda step: None)
        assert not await sees(house, ["sales"], "700")
        run("UPDATE tariff SET ends = NULL WHERE code = 't/1'")
        await sync(house, "core")
        assert await sees(house, ["sales"], "700")
        run("DELETE FROM tariff WHERE code = 't/1'")
        assert (await house.sync("core", lambda step: None)).removed == 1
        assert not await sees(house, ["sales"], "700")
    engine.dispose()


@pytest.mark.anyio
async def test_messages_of_a_mailbox(tmp_path: Path) -> None:
    people = {"a@example.test": "group:sales", "b@example.test": "group:staff"}
    letter = mail("Please find the tariff inside.", {"annex.txt": FEE.format(500)}, "Re: Tolkyn transfer")
    with ImapServer() as server:
        uid = server.add(letter)
        options = {"password": Secret("${env:MAIL}", PASSWORD), "people": people}
        url = f"imap://{USER}@127.0.0.1:{server.port}"
        settings = SourceSettings(name="mail", connector="mail", url=url, options=options)
        async with house_over(tmp_path, settings) as house:
            assert (await sync(house, "mail")).new == 1
            assert await sees(house, ["staff"]), "an attachment follows its mail"
            assert await sees(house, ["sales"])
            assert not await sees(house, ["board"])
            assert (await sync(house, "mail")).unchanged == 1
            server.delete(uid)
            assert (await house.sync("mail", lambda step: None)).removed >= 1
            assert not await sees(house, ["staff"])
            server.add(letter.replace(b"b@example.test", b"c@example.test"))
            await sync(house, "mail")
            assert not await sees(house, ["staff"])
            assert await sees(house, ["sales"])


@pytest.mark.anyio
async def test_pages_of_a_site(tmp_path: Path) -> None:
    pages = Pages()
    pages.at["/"] = page("/staff/fees.html")
    pages.at["/staff/fees.html"] = page(title="Tolkyn transfer", text=FEE.format(500))
    rules = (RightsRule("staff/**", ("staff",)), RightsRule("hr/**", ("hr",)))
    options: dict[str, Any] = {"allow_private_hosts": ("127.0.0.1",), "delay": timedelta(milliseconds=1)}
    with HttpServer(pages) as server:
        url = f"http://127.0.0.1:{server.port}/"
        settings = SourceSettings(
            name="portal", connector="web", url=url, rights_rules=rules, options=options
        )
        async with house_over(tmp_path, settings) as house:
            await sync(house, "portal")
            assert await sees(house, ["staff"])
            assert not await sees(house, ["hr"])
            pages.at["/staff/fees.html"] = page(title="Вход", text='<input type="password">')
            pages.missing = pages.at["/staff/fees.html"]
            report = await sync(house, "portal")
            assert report.problems == ((f"{url}staff/fees.html", "source_login_page"),)
            assert await sees(house, ["staff"]), "a sign-in page replaces nothing"
            pages.at["/"] = page("/hr/fees.html")
            pages.at["/hr/fees.html"] = page(title="Tolkyn transfer", text=FEE.format(700))
            await sync(house, "portal")
            assert not await sees(house, ["staff"])
            assert await sees(house, ["hr"], "700")
            pages.at["/"] = page()
            assert (await house.sync("portal", lambda step: None)).removed == 1
            assert not await sees(house, ["hr"], "700")

"""Files and repositories through the whole house: who is answered follows the source at its next pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from countersign.domain.errors import SourceError
from countersign.domain.workspace import PosixRights, RightsRule, Secret, SourceSettings
from tests.journeys.parts import mail, row_of, sync
from tests.sources import http_servers
from tests.sources.http_servers import HttpServer, webdav
from tests.sources.test_connector_journeys import FEE, house_over, sees
from tests.sources.test_git import Repository
from tests.sources.wire import Wire
from tests.workspaces import person

pytestmark = pytest.mark.anyio
RULES = (RightsRule("board/**", ("group:board",)), RightsRule("**", ("group:staff",)))


async def test_a_folder_that_is_renamed_into_other_rights_is_closed_at_once(tmp_path: Path) -> None:
    root = tmp_path / "files"
    (root / "drafts").mkdir(parents=True)
    (root / "drafts" / "fees.md").write_text(FEE.format(500))
    (root / "parking.md").write_text("Something about parking.")
    settings = SourceSettings(name="share", connector="files", url="files", rights_rules=RULES)
    async with house_over(tmp_path, settings) as house:
        await sync(house, "share")
        assert await sees(house, ["staff"])
        (root / "drafts").rename(root / "board")
        report = await house.sync("share", lambda step: None)
        assert (report.new, report.removed) == (1, 1)
        assert not await sees(house, ["staff"]), "before anything was parsed again"
        await house.worker.drain()
        assert await sees(house, ["board"])
        assert not await sees(house, ["staff"])
        shutil.rmtree(root / "board")
        await house.sync("share", lambda step: None)
        assert not await sees(house, ["board"])


@pytest.mark.parametrize("letter", ["offer.eml", "offer"])
async def test_a_file_that_is_called_like_an_attachment_does_not_take_its_place(
    tmp_path: Path, letter: str
) -> None:
    root = tmp_path / "files"
    root.mkdir()
    (root / letter).write_bytes(mail("See the annex.", {"annex.txt": FEE.format(500)}))
    settings = SourceSettings(
        name="share", connector="files", url="files", rights_rules=(RightsRule("*", ("group:staff",)),)
    )
    async with house_over(tmp_path, settings) as house:
        await sync(house, "share")
        (root / f"{letter}#annex.txt").write_text("Something about parking.")
        for _ in range(2):
            report = await sync(house, "share")
            assert report.problems == ((f"{letter}#annex.txt", "source_name_of_attachment"),)
            part = await row_of(house, f"{letter}#annex.txt")
            assert part["parent_id"] == (await row_of(house, letter))["id"] and not part["problem"]
            assert await sees(house, ["staff"])
        (root / letter).unlink()
        await sync(house, "share")
        assert not await sees(house, ["staff"]), "it went with its letter"


async def test_modes_of_a_folder_decide_at_the_next_pass_and_why_tells_them(tmp_path: Path) -> None:
    root = tmp_path / "files"
    root.mkdir()
    path = root / "fees.md"
    path.write_text(FEE.format(500))
    root.chmod(0o755)
    path.chmod(0o640)
    mapping = PosixRights(groups={str(path.stat().st_gid): "group:staff"}, everyone=("tenant:*",))
    settings = SourceSettings(name="share", connector="files", url="files", rights_posix=mapping)
    async with house_over(tmp_path, settings) as house:
        await sync(house, "share")
        assert await sees(house, ["staff"])
        assert not await sees(house, ["sales"])
        path.chmod(0o644)
        await house.sync("share", lambda step: None)
        assert await sees(house, ["sales"])
        root.chmod(0o700)
        await house.sync("share", lambda step: None)
        assert not await sees(house, ["sales"]), "nobody may pass the folder"
        assert not await sees(house, ["staff"])
        clerk = await person(house, "clerk", ["staff"])
        told = await house.people.why(None, clerk.name, "fees.md")
        assert "drwx------" in told.rights_origin
        assert told.confirmed is not None
        root.chmod(0o755)
        path.chmod(0o604)
        await house.sync("share", lambda step: None)
        assert (await row_of(house, "fees.md"))["reason"] == "rights_unsupported"


async def test_a_server_that_dies_or_sends_its_sign_in_page_takes_nothing_away(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    (folder / "fees.md").write_text(FEE.format(500))
    (folder / "annex.docx").write_bytes(b"PK\x03\x04 not really a document")
    with HttpServer(webdav(folder)) as server, Wire(server.port) as wire:
        password = Secret("${env:DAV}", http_servers.PASSWORD)
        settings = SourceSettings(
            name="cloud",
            connector="files",
            url=f"http://127.0.0.1:{wire.port}/dav",
            rights_rules=RULES,
            options={"user": http_servers.USER, "password": password, "allow_http": True},
        )
        async with house_over(tmp_path, settings) as house:
            await sync(house, "cloud")
            before = await row_of(house, "annex.docx")
            (folder / "annex.docx").write_bytes(b"<!doctype html><title>Sign in</title>")
            report = await sync(house, "cloud")
            assert report.problems == (("annex.docx", "source_error_page"),)
            after = await row_of(house, "annex.docx")
            assert (after["version"], after["status"]) == (before["version"], before["status"])
            for cut in (0, 400, 900):
                wire.cut(cut)
                with pytest.raises(SourceError):
                    await house.sync("cloud", lambda step: None)
                assert await sees(house, ["staff"])
            wire.cut(None)
            (folder / "fees.md").unlink()
            assert (await house.sync("cloud", lambda step: None)).removed == 1
            assert not await sees(house, ["staff"])


async def test_a_commit_is_a_new_version_and_a_revoked_one_is_gone(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "rules.git")
    repository.write("fees.md", FEE.format(500).encode())
    repository.write("parking.md", b"Something about parking.")
    first = repository.commit()
    settings = SourceSettings(name="rules", connector="git", url="rules.git", rights_rules=RULES)
    async with house_over(tmp_path, settings) as house:
        await sync(house, "rules")
        assert await sees(house, ["staff"])
        row = await row_of(house, "fees.md")
        assert row["modified"].startswith("2026-01-01T00:00")
        repository.write("fees.md", FEE.format(700).encode())
        repository.commit()
        report = await sync(house, "rules")
        assert (report.changed, report.unchanged) == (1, 1)
        assert await sees(house, ["staff"], "700")
        assert not await sees(house, ["staff"], "500")
        assert (await row_of(house, "fees.md"))["version"] == row["version"] + 1
        repository.files["board/fees.md"] = repository.files.pop("fees.md")
        repository.commit(parents=[first])  # history was rewritten as well
        await sync(house, "rules")
        assert not await sees(house, ["staff"], "700")
        assert await sees(house, ["board"], "700")
        del repository.files["board/fees.md"]
        repository.commit()
        await house.sync("rules", lambda step: None)
        assert not await sees(house, ["board"], "700")
        assert (await row_of(house, "board/fees.md"))["deleted"]
    repository.repo.close()

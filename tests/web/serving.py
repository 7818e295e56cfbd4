"""A whole house behind a real server on loopback, in a thread of its own, for tests that look at it from a browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from countersign.api.server import create_app
from countersign.app.house import House
from countersign.domain.workspace import HoldRules, ModelSettings, Price, Workspace
from countersign.testing.scripted_model import ScriptedModel
from countersign.web.pages import mount
from tests.corpus.files import pdf, text_at
from tests.workspaces import assistant, opened, process, workspace, write_files

T = TypeVar("T")

PASSWORD = "seven-violet-herons"
PAYLOAD = """<script>document.title='owned'</script><img src="http://evil.invalid/a.png" onerror="document.title='owned'">"""
FEE = "What is the monthly service fee of the Gold card?"
BOX = "How much does a safe deposit box cost per year?"

_LINES = (
    "The monthly service fee of the Gold card is 990 tenge.",
    "The fee is charged on the first working day of the month.",
    "Cash withdrawal in other banks costs 1.5 percent, at least 300 tenge.",
)
TARIFF = pdf(
    [
        text_at(72, 770, "Card tariffs", 20, "F2") + text_at(72, 730, "Valid for all branches of the bank."),
        text_at(72, 770, "Gold card", 16, "F2")
        + "".join(text_at(72, 735 - 18 * row, line) for row, line in enumerate(_LINES)),
    ]
)
FILES = {
    "tariff.pdf": TARIFF,
    "minutes.md": "# Minutes of the board\n\nThe board decided to raise the monthly service fee of the Gold card to 1,290 tenge from 1 October 2025.\n",
    "kk.md": "# Кредитті мерзімінен бұрын өтеу\n\nКредитті мерзімінен бұрын өтеу үшін комиссия алынбайды. Өтініш 3 жұмыс күні ішінде қаралады.\n",
    "boxes.md": "# Safe deposit boxes\n\nA safe deposit box costs 7,000 tenge per year. The contract runs for one year.\n",
    "evil.md": f"# Parking\n\nThe parking gate code is 7788. {PAYLOAD} ![pixel](http://evil.invalid/b.png)\n",
    "abroad_a.md": "# Transfers abroad\n\nThe fee for a transfer abroad is 0.5 percent.\n",
    "abroad_b.md": "# Price list\n\nThe fee for a transfer abroad is 0.8 percent.\n",
    "nobody.txt": "Nobody has a right to this.",
}
ROWS = [
    {"file": "tariff.pdf", "title": "Card tariffs 2025", "acl": ["tenant:*"], "modified": "2025-05-01"},
    {"file": "minutes.md", "acl": ["group:board"], "classification": "board", "modified": "2025-03-12"},
    {"file": "kk.md", "title": "Кредитті өтеу тәртібі", "acl": ["group:staff"], "modified": "2025-02-01"},
    {"file": "boxes.md", "title": "Safe deposit boxes", "acl": ["tenant:*"]},
    {"file": "evil.md", "title": f"Parking {PAYLOAD}", "acl": ["tenant:*"]},
    {"file": "abroad_a.md", "title": "Transfers abroad", "acl": ["tenant:*"]},
    {"file": "abroad_b.md", "title": "Price list", "acl": ["tenant:*"]},
]
PEOPLE: dict[str, tuple[list[str], list[str]]] = {
    "aigerim": (["staff"], ["user"]),
    "daniyar": (["staff", "board"], ["user"]),
    "ruslan": ([], ["user"]),
    "saule": (["quality", "board"], ["user", "reviewer"]),
    "timur": (["quality", "board"], ["reviewer"]),
    "erlan": ([], ["auditor"]),
    "olzhas": ([], ["user", "operator"]),
}
SCRIPT = [
    (
        "safe deposit box",
        "A safe deposit box costs 9,000 tenge per year [1]. The contract runs for one year [1].",
    )
]


class Desk:
    """`url` of the running server, `house` behind it, and `keys` by name to sign in with."""

    def __init__(self, url: str, house: House, loop: asyncio.AbstractEventLoop, keys: dict[str, str]) -> None:
        self.url = url
        self.house = house
        self.keys = keys
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the house's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


def settings(root: Path, model_url: str) -> Workspace:
    main = ModelSettings(
        name="main",
        dialect="openai",
        base_url=model_url,
        model="scripted",
        region="kz",
        price=Price("KZT", 400.0, 1600.0),
    )
    plain = workspace(root)
    return replace(
        plain,
        models={**plain.models, "main": main},
        assistants={
            "staff-help": assistant(hold_when=HoldRules(classification=("board",))),
            "careful": assistant(
                "careful",
                process=process("medium"),
                models=("main", "extractive"),
                hold_when=HoldRules(unsupported_claims=True),
            ),
        },
    )


def _as_it_is(plain: Workspace) -> Workspace:
    return plain


@contextmanager
def served(
    root: Path, change: Callable[[Workspace], Workspace] = _as_it_is, *, ingest: bool = True
) -> Iterator[Desk]:
    """Everything runs in one thread; leaving the block stops the server, closes the house and joins the thread."""
    ready: list[Desk] = []
    begun, over = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def live() -> None:
        async with (
            ScriptedModel(SCRIPT) as model,
            opened(change(settings(root, model.base_url)), root / "cache", ingest=ingest) as house,
        ):
            keys = {name: await _person(house, name) for name in PEOPLE}
            await house.people.set_password("aigerim", PASSWORD)
            await house.start()
            app = create_app(house)
            mount(app, house)
            server = uvicorn.Server(
                uvicorn.Config(app, port=0, log_level="warning", ws="none", lifespan="off")
            )
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            ready.append(Desk(f"http://127.0.0.1:{port}", house, asyncio.get_running_loop(), keys))
            begun.set()
            while not over.is_set():
                await asyncio.sleep(0.05)
            server.should_exit = True
            await serving

    def body() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            failed.append(error)
        finally:
            begun.set()

    write_files(root / "files", FILES, ROWS)
    thread = threading.Thread(target=body, name="desk")
    thread.start()
    assert begun.wait(240)
    try:
        if failed:
            raise failed[0]
        yield ready[0]
    finally:
        over.set()
        thread.join(120)


async def _person(house: House, name: str) -> str:
    groups, roles = PEOPLE[name]
    await house.people.set_person(name, tenant="bank", groups=groups, roles=roles)
    return (await house.people.create_key(name)).token

"""Write the pages of docs/reference that are made from the code: `python tools/reference.py`.

A test compares the pages with what this prints, so a code, event, metric or finding cannot appear undocumented.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "countersign"
PAGES = ROOT / "docs" / "reference"
_MADE = "<!-- Made by `python tools/reference.py`; edit the code instead. -->"


def pages() -> dict[str, str]:
    """File name → text."""
    return {
        "errors.md": _errors(),
        "events.md": _events(),
        "guard-codes.md": _guard_codes(),
        "document-findings.md": _document_findings(),
        "readiness-codes.md": _readiness_codes(),
        "answer-codes.md": _answer_codes(),
        "metrics.md": _metrics(),
    }


def modules() -> Iterator[tuple[str, ast.Module]]:
    """(room/file, tree) of everything that is shipped, without migrations."""
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        if "migrations/" not in place:
            yield place, ast.parse(path.read_text(encoding="utf-8"))


def _page(title: str, intro: str, lines: Iterable[str]) -> str:
    return f"# {title}\n\n{_MADE}\n\n{intro}\n\n" + "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names), *(_row(*row) for row in rows)]


# -- errors -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, order=True)
class _Raised:
    code: str
    kind: str
    message: str
    hint: str


def _errors() -> str:
    from countersign.api.errors import status_of
    from countersign.cli.failure import exit_code_of
    from countersign.domain import errors

    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.CountersignError)
    }
    found: dict[str, dict[str, _Raised]] = defaultdict(dict)
    for name, kind in kinds.items():
        says = _first_line(errors.__doc__, name) or "something failed that should not have"
        found[kind.default_code][name] = _Raised(kind.default_code, name, says, "")
    for raised in _raised(frozenset(kinds)):
        known = found[raised.code].get(raised.kind)
        if known is None or (not known.hint and raised.message.strip(" …")):
            found[raised.code][raised.kind] = raised
    rows: list[tuple[str, ...]] = []
    for code in sorted(found):
        for raised in sorted(found[code].values()):
            sample = kinds[raised.kind]("", code=code)
            status, exit_code = str(status_of(sample)), str(exit_code_of(sample))
            said = raised.message if raised.message.strip(" …") else code.replace("_", " ")
            rows.append((f"`{code}`", raised.kind, status, exit_code, said, raised.hint))
    intro = (
        'Every failure has a stable code. Over HTTP the body is `{"error": {code, message, hint, request_id}}` (shaped as '
        "OpenAI's under `/v1`); at the command line it is `code: message` with the hint below. `…` stands for a value. "
        "A status of 500 is told outside as `internal` only; the cause is in the server's log under the request id. "
        "A refusal or a hold is an answer, not an error: see [answer codes](answer-codes.md)."
    )
    return _page(
        "Error codes", intro, _table(("code", "kind", "HTTP", "exit", "what happened", "what to do"), rows)
    )


def _first_line(tree: str | None, name: str) -> str:
    """What the tree at the top of `domain/errors.py` says of a kind."""
    for line in (tree or "").splitlines():
        words = line.strip("│├└─ ").split(maxsplit=1)
        if words and words[0] == name:
            return words[1] if len(words) > 1 else ""
    return ""


def _raised(kinds: frozenset[str]) -> Iterator[_Raised]:
    for place, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _raised_by(node, kinds)
            elif isinstance(node, ast.Dict) and place.startswith("api/"):
                yield from _unsupported(node)


def _raised_by(call: ast.Call, kinds: frozenset[str]) -> Iterator[_Raised]:
    """An error of the tree with `code=`, or a problem of the workspace file with a code of its own."""
    name, keywords = _name(call.func), {word.arg: word.value for word in call.keywords}
    code, hint, kind = keywords.get("code"), keywords.get("hint"), name
    if name == "Wrong" and len(call.args) > 2:
        code, hint, kind = call.args[2], call.args[1], "ConfigError"
    if kind in kinds and isinstance(code, ast.Constant) and isinstance(code.value, str):
        yield _Raised(code.value, kind, _words(call.args[0]) if call.args else "", _words(hint))


def _unsupported(table: ast.Dict) -> Iterator[_Raised]:
    """Request fields that are refused are a table of field → code."""
    for field, code in zip(table.keys, table.values, strict=True):
        if isinstance(code, ast.Constant) and str(code.value).endswith("_not_supported"):
            said = f"`{_words(field)}` is not supported"
            yield _Raised(str(code.value), "UsageError", said, f"Leave out `{_words(field)}`.")


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _words(node: ast.expr | None) -> str:
    """The constant parts of a text; `…` for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _words(node.left) + _words(node.right)
    return "" if node is None else "…"


# -- events, codes, findings --------------------------------------------------------------------------------------------
def _events() -> str:
    from countersign.domain.events import MEANINGS, EventKind

    writers: dict[str, set[str]] = defaultdict(set)
    for place, tree in modules():
        if place.startswith(("web/", "domain/")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and _name(node.value) == "EventKind":
                writers[node.attr].add(place.partition("/")[0])
    rows = [
        (
            f"`{kind.value}`",
            MEANINGS[kind],
            ", ".join(f"`{place}`" for place in sorted(writers[kind.name])) or "nothing yet",
        )
        for kind in EventKind
    ]
    intro = (
        "One event for each step, appended and never changed. Audit, trace and cost are views of the same rows. `facts` are "
        "plain values (ids, counts, codes, durations, money) kept as long as the chain; `personal` holds text and names, kept "
        "beside the chain and erasable: only a salted commitment to it is chained."
    )
    return _page("Events", intro, _table(("event", "what happened", "room"), rows))


def _guard_codes() -> str:
    from countersign.guard.codes import CODES

    intro = "What the guards can find in a question, its history, a passage, the prompt or the output."
    return _page(
        "Guard findings", intro, _table(("code", "meaning"), ((f"`{c}`", says) for c, says in CODES.items()))
    )


def _document_findings() -> str:
    found: dict[str, tuple[str, str]] = {}
    for _, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or _name(node.func) not in ("Finding", "finding"):
                continue
            texts = [
                argument
                for argument in node.args
                if _name(node.func) == "Finding" or argument is not node.args[0]
            ]
            if len(texts) >= 3 and isinstance(texts[0], ast.Constant):
                found.setdefault(str(texts[0].value), (_words(texts[1]), _words(texts[2])))
    rows = [(f"`{code}`", severity, says) for code, (severity, says) in sorted(found.items())]
    intro = "What reading a document can notice about it; shown with the document and kept in its `findings`."
    return _page("Document findings", intro, _table(("code", "severity", "what it says"), rows))


def _readiness_codes() -> str:
    from countersign.corpus.readiness.catalogue import CODES, FROM_READING, SEVERITIES
    from countersign.corpus.readiness.summary import WEIGHTS

    lines: list[str] = []
    for severity in SEVERITIES:
        lines += [f"## {severity.capitalize()}", ""]
        for meaning in CODES.values():
            if meaning.severity == severity:
                lines += [
                    f"### `{meaning.code}`", "", f"{meaning.what}. {meaning.why}.", "",
                    f"What to do: {meaning.action}. Usually the {meaning.owner}'s. Indexing: {meaning.policy}.", "",
                ]  # fmt: skip
    told: dict[str, list[str]] = defaultdict(list)
    for finding, code in FROM_READING.items():
        told[code].append(finding)
    rows = ((f"`{code}`", ", ".join(f"`{each}`" for each in found)) for code, found in sorted(told.items()))
    lines += [
        "## Findings of reading", "", "What [reading](document-findings.md) notices counts as:", "",
        *_table(("code", "findings"), rows),
    ]  # fmt: skip
    weights = ", ".join(f"{WEIGHTS[severity]:g} for each {severity}" for severity in SEVERITIES)
    intro = (
        "What `countersign audit data` can say of a document, with the usual severity and what indexing does: `quarantine` "
        "keeps it out, `warn` indexes and marks it, `index` indexes it. A finding may be milder than its code: one page of "
        "a hundred without text is a warning, a document without any an error; a milder finding never quarantines. "
        "`sources.NAME.readiness` changes what is done.\n\n"
        f"A source's score is the mean over its documents of what is left of each, in per cent: a document loses {weights} "
        "that it has, by code and never more than 1 in all. What is lost is shared among a document's codes in "
        "proportion, so a code's points are what the score would gain without it. Accepted findings weigh nothing."
    )
    return _page("Readiness codes", intro, lines)


def _answer_codes() -> str:
    from countersign.web import wording

    lines: list[str] = []
    for title, table in (
        ("Why an answer was refused", wording.REFUSAL),
        ("Why an answer waits for a reviewer", wording.HOLD),
        ("Why a sentence is marked unsupported", wording.CLAIM_REASON),
        ("Warnings on an answer", wording.WARNING),
        ("How a document was read", wording.PARSE),
    ):
        lines += [
            f"## {title}",
            "",
            *_table(("code", "in words"), ((f"`{c}`", w) for c, w in table.items())),
            "",
        ]
    intro = "The values that answers and documents carry, with the words that the desk shows for them."
    return _page("Codes of answers", intro, lines[:-1])


def _metrics() -> str:
    rows: list[tuple[str, ...]] = []
    tree = ast.parse((SOURCE / "api" / "metrics.py").read_text(encoding="utf-8"))
    named = {_name(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in ("Counter", "Gauge", "Histogram"):
            name, says, *labels = (ast.literal_eval(named.get(_name(arg), arg)) for arg in node.args)
            kind = _name(node.func).lower()
            shown = f"{name}_total" if kind == "counter" else name
            rows.append((f"`{shown}`", kind, ", ".join(labels[0]) if labels else "", says))
    intro = (
        "`/metrics` speaks the Prometheus text format. Beside these stand the process figures "
        "`countersign_process_cpu_seconds_total`, `…_resident_memory_bytes`, `…_open_fds` and their kin."
    )
    return _page("Metrics", intro, _table(("metric", "type", "labels", "meaning"), sorted(rows)))


def main() -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

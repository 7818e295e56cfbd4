"""The messages of the desk. `python -m tests.web.catalogues` adds new ones to every catalogue and drops what is gone."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.phrases import PHRASES

WEB = Path(__file__).parents[2] / "src" / "countersign" / "web"
LANGUAGES = ("ru", "kk")
_METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]


def catalogue_path(language: str) -> Path:
    return WEB / "locale" / language / "LC_MESSAGES" / "messages.po"


def extracted() -> Catalog:
    """Every message that templates and code mark for translation."""
    found = Catalog(charset="utf-8")
    options = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "false"}}
    for name, line, message, comments, context in extract_from_dir(
        str(WEB), _METHODS, options, keywords={"_": None, "N_": None, "ngettext": (1, 2)}
    ):
        found.add(message, None, [(name, line)], auto_comments=comments, context=context)
    for meaning in CODES.values():  # words of a room that knows nothing of the desk
        for said in (meaning.what, meaning.why, meaning.action):
            found.add(said, None, [("readiness", 0)])
    for said in PHRASES.values():
        found.add(said, None, [("readiness", 0)])
    return found


def stored(language: str) -> Catalog:
    with catalogue_path(language).open("rb") as source:
        return read_po(source, locale=language)


def update(language: str) -> None:
    path = catalogue_path(language)
    kept = (
        stored(language)
        if path.exists()
        else Catalog(locale=language, project="countersign", charset="utf-8")
    )
    kept.update(extracted(), no_fuzzy_matching=True)
    out = BytesIO()
    write_po(
        out, kept, width=120, no_location=True, omit_header=False, sort_output=True, ignore_obsolete=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


if __name__ == "__main__":
    for language in LANGUAGES:
        update(language)

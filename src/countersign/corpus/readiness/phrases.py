"""What a check says in its own words where there is nothing to quote: a name and values, which a desk puts into any language.

The English wording is the evidence that programs and terminals see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PHRASES: Final[Mapping[str, str]] = {
    # it cannot be read
    "password_asked": "a password is asked for",
    "structure_damaged": "its inner structure is damaged ({0})",
    "end_missing": "the end of the file is missing",
    "content_differs": "the content is not what the name says",
    "reader_gave_up": "the reader gave up on it",
    "no_bytes": "the file has no bytes",
    "no_text": "there is no text in it",
    "archive": "it is an archive",
    "format_unknown": "a format that is not read",
    "reader_missing": "what reads this format is not installed",
    "too_many_pages": "more pages than allowed",
    "too_much_text": "more text than allowed",
    "too_large": "larger than allowed",
    "unfolds_too_far": "unpacked it would be larger than allowed",
    "picture_too_large": "a picture larger than allowed",
    "too_nested": "nested deeper, or tables larger, than allowed",
    "took_too_long": "reading took longer than allowed",
    # pages and parts
    "pages_without_text": "pages without text: {0}",
    "page_without_text": "a page without text",
    "page_unreadable": "a page could not be read",
    "slide_missing": "slide {0} is not in the file",
    "sheet_unreadable": "a sheet could not be read: {0}",
    "recognised_with": "recognised with confidence {0}",
    "languages_missing": "the recogniser lacks {0}",
    # text and shape
    "characters_unreadable": "some characters could not be read",
    "tag_characters": "tag characters: {0}",
    "invisible_characters": "invisible characters, {0} of them, in: {1}",
    "share_in_tables": "{0} of the text stands in tables",
    "bare_pages": "{0} of {1} pages",
    "pages": "pages: {0}",
    "characters": "characters: {0}",
    "rows_uneven": "rows have different numbers of cells",
    "sheet_sparse": "a sheet spreads few cells over a huge area",
    "json_invalid": "not valid JSON, read as text",
    "xml_invalid": "not well-formed XML, read as marked-up text",
    "xml_entities": "the file declares entities; they are not unfolded",
    "macros": "macros in it are never run",
    "copying_restricted": "its author restricted copying of the text",
    # time and rights
    "valid_between": "valid from {0} to {1}",
    "valid_from": "valid from {0}",
    "valid_to": "valid to {0}",
    "changed_on": "changed on {0}",
    "older_than_allowed": "changed on {0}, {1} days ago; documents_max_age is {2} days",
    "older_than_others": "changed on {0}, {1} days ago; half of the others less than {2}",
    "rights_of_part": "{0}: {1}; what carries it: {2}",
    "rights_not_expressed": "its rights cannot be expressed ({0})",
    "other_tenant": "it names a tenant that its source may not speak for ({0})",
    "row_unreadable": "what the source says of it cannot be understood ({0})",
}

SOURCE_PROBLEM: Final = "source_problem"
"""In the place of a phrase's name: the value is a code of a source, which has words of its own."""

OF_REASON: Final[Mapping[str, str]] = {
    "password": "password_asked", "archive_password": "password_asked", "encrypted_package": "password_asked",
    "encrypted_mail": "password_asked", "truncated": "end_missing", "wrong_magic": "content_differs",
    "worker_lost": "reader_gave_up", "no_bytes": "no_bytes", "no_text": "no_text", "archive": "archive",
    "unknown_format": "format_unknown", "ole_content": "format_unknown", "extra_documents_missing": "reader_missing",
    "page_count": "too_many_pages", "text_chars": "too_much_text", "page_chars": "too_much_text",
    "output_size": "too_much_text", "file_size": "too_large", "part_size": "too_large",
    "archive_entries": "unfolds_too_far", "archive_ratio": "unfolds_too_far", "archive_size": "unfolds_too_far",
    "image_pixels": "picture_too_large", "nesting": "too_nested", "table_cells": "too_nested",
    "rights_unsupported": "rights_not_expressed", "wrong_tenant": "other_tenant", "metadata_invalid": "row_unreadable",
}  # fmt: skip
"""Why a document could not be read or is set aside → the phrase that says so."""

OF_NOTICE: Final[Mapping[str, str]] = {
    "page_needs_ocr": "page_without_text", "page_unreadable": "page_unreadable", "slide_missing": "slide_missing",
    "sheet_unreadable": "sheet_unreadable", "ocr_low_confidence": "recognised_with",
    "ocr_language_missing": "languages_missing", "unreadable_characters": "characters_unreadable",
    "uneven_table": "rows_uneven", "sparse_sheet": "sheet_sparse", "json_invalid": "json_invalid",
    "xml_invalid": "xml_invalid", "xml_entities": "xml_entities", "macros": "macros",
    "copying_restricted": "copying_restricted", "truncated": "end_missing",
}  # fmt: skip
"""What reading noticed → the phrase that says so; a value of it is the notice's evidence."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of `PHRASES` and what stands in its places."""

    name: str
    values: tuple[str, ...] = ()

    @property
    def english(self) -> str:
        return PHRASES[self.name].format(*self.values)


def phrase(name: str, *values: object) -> Phrase:
    return Phrase(name, tuple(str(value) for value in values))


def of_reason(reason: str) -> Phrase | str:
    """The reason in words; one that nobody worded is shown as it is."""
    name = OF_REASON.get(reason)
    if name is None:
        return reason.replace("_", " ")
    return phrase(name)

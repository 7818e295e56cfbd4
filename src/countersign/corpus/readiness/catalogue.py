"""Every readiness code: what it says, why answers go wrong because of it, what to do, and who usually can.

`severity` and `policy` are the usual ones. A finding may be milder than its code (one page of a hundred without text is
a warning, a document without any is an error); a workspace may choose other policies, source by source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from countersign.domain.readiness import CodeMeaning, Policy, Severity

_OWNER: Final = "data owner"
_OFFICER: Final = "security officer"
_ENGINEER: Final = "platform engineer"

_ALL: Final = (
    # -- it cannot be read, or not all of it
    CodeMeaning("needs_ocr", "error", "index", "Pages are pictures of text", "What is only in a picture cannot be found, and an answer is given as if it did not exist", "Run the audit with `--ocr`, install tesseract with kaz, rus and eng, or put the original beside the scan", _ENGINEER),
    CodeMeaning("ocr_confidence_low", "warning", "warn", "A page was recognised with little confidence", "Figures and names may be misread, and a misread figure looks like any other", "Scan it again at 300 dots per inch, or replace it with the original", _OWNER),
    CodeMeaning("ocr_language_missing", "warning", "index", "The recogniser lacks a language that it is asked for", "Kazakh read with a Russian model looks plausible and has wrong letters", "Install the missing tesseract models", _ENGINEER),
    CodeMeaning("encrypted", "error", "quarantine", "The file is protected by a password", "Nothing in it can be read", "Save a copy without a password in the source, or leave the file out", _OWNER),
    CodeMeaning("corrupt", "error", "quarantine", "The file is damaged", "Nothing in it can be read", "Restore it from a backup or export it again", _OWNER),
    CodeMeaning("truncated", "error", "quarantine", "The end of the file is missing", "What stood at the end is lost, and often nothing can be read", "Copy it again; check how the file came into the source", _OWNER),
    CodeMeaning("wrong_type", "warning", "warn", "The content is of another kind than the name says", "An error page saved as a document answers as if it were one", "Check how the file was exported; give it the name of what it is", _OWNER),
    CodeMeaning("error_page", "error", "quarantine", "An error page or a sign-in page was saved instead of the document", "Its words answer in the place of the document's", "Fetch the document again with an account that may read it", _ENGINEER),
    CodeMeaning("refused_limit", "error", "quarantine", "The file is larger, deeper or heavier than the limits allow", "Nothing of what was refused can be found", "Split the file, or raise the limits under `parsing`", _ENGINEER),
    CodeMeaning("timeout", "error", "quarantine", "Reading took longer than allowed", "Nothing of what was not read can be found", "Save it again from the program it was made with, split it, or raise `parsing.wall`", _ENGINEER),
    CodeMeaning("unreadable", "error", "quarantine", "The source lists the file and could not hand it over", "Nothing of it can be found", "Let the service's user read it, or remove it from the source", _ENGINEER),
    CodeMeaning("name_unreadable", "error", "quarantine", "The file's name is no text in any encoding", "It cannot be named, so it cannot be taken in or cited", "Rename the file", _OWNER),
    CodeMeaning("name_misleading", "warning", "warn", "The name has characters that hide or reverse what a reader sees", "A citation would show another name than the file has", "Rename the file", _OWNER),
    CodeMeaning("empty", "error", "quarantine", "There is no text and no picture in it", "It can answer nothing, and may stand where a document should be", "Remove it, or put the real document in its place", _OWNER),
    CodeMeaning("unsupported", "error", "quarantine", "Files of this kind are not read", "Nothing in it can be found", "Export it to PDF, DOCX, XLSX, HTML or text", _OWNER),
    CodeMeaning("partly_unread", "warning", "warn", "A part of it (pages, sheets, slides or attachments) could not be read", "What is in that part is missing from answers without a trace", "Save it again from the program it was made with; look at the part that is named", _OWNER),
    CodeMeaning("inside_not_opened", "info", "index", "It carries an archive or a message that is not opened", "What is inside cannot be found", "Put the content beside it in the source", _OWNER),
    # -- the text is not what its author wrote
    CodeMeaning("mojibake", "error", "warn", "Text was saved in one encoding and read in another", "Its words can neither be found nor read", "Save it again as UTF-8 from the system it came from", _OWNER),
    CodeMeaning("wrong_encoding", "warning", "warn", "The encoding was not said or said wrongly, and was guessed", "A wrong guess makes every word unreadable", "Save it again as UTF-8", _OWNER),
    CodeMeaning("garbled_text", "error", "warn", "Much of the text is no words: broken fonts, replacement or private characters", "Its words can neither be found nor read", "Print it to PDF with embedded fonts, or have it recognised", _OWNER),
    CodeMeaning("malformed", "info", "index", "The file does not follow its format, and was read as well as it goes", "Structure such as tables and headings may be lost", "Export it again", _OWNER),
    CodeMeaning("copying_restricted", "info", "index", "Its author forbade copying its text", "Its use may need a licence", "Ask whose document it is", _OWNER),
    CodeMeaning("comments_present", "info", "index", "It carries reviewers' comments", "A comment reads like the document's own statement", "Accept or remove the comments before it is published", _OWNER),
    # -- language
    CodeMeaning("language_mixed", "info", "index", "It holds several languages", "A passage in one language may not be found by a question in another", "Nothing needs to be done where all of them are served", _OWNER),
    CodeMeaning("language_unserved", "warning", "warn", "It is in a language that no assistant over this source serves", "Nobody is answered from it in words they asked in", "Add the language to the assistant, or leave the document out", _OWNER),
    # -- several documents
    CodeMeaning("exact_duplicate", "warning", "index", "Another document has the very same text", "Copies crowd other evidence out, and one of them will be forgotten at the next change", "Keep one; let the others go or point to it", _OWNER),
    CodeMeaning("near_duplicate", "warning", "index", "Another document has nearly the same text", "Copies crowd other evidence out, and drift apart", "Keep one; let the others go or point to it", _OWNER),
    CodeMeaning("versions_differ", "error", "warn", "Two versions of one document say different figures or dates", "The answer depends on which of them is found first", "Say which is in force: remove the other, or give it `valid_to` or `supersedes`", _OWNER),
    CodeMeaning("superseded_present", "warning", "index", "A document that another one replaces still lies in the source", "It answers for times gone by, and for today as soon as the link is lost", "Archive it, or make sure that `supersedes` and the dates are said", _OWNER),
    CodeMeaning("contradiction", "warning", "warn", "Two current documents say different things about one subject", "Both are right by the record, and an answer cannot be", "Ask both owners which holds, and correct or end the other", _OWNER),
    # -- time
    CodeMeaning("expired", "warning", "index", "Its validity has ended", "It answers nothing any more; if it should, people get no answer", "Publish its successor, or correct `valid_to`", _OWNER),
    CodeMeaning("not_yet_valid", "info", "index", "Its validity has not begun", "It answers nothing until then", "Nothing needs to be done if the date is right", _OWNER),
    CodeMeaning("stale", "warning", "warn", "It has not changed for longer than the source's rhythm or `documents_max_age` allows", "What was true then is answered as if it were true now", "Have its owner confirm or renew it", _OWNER),
    CodeMeaning("dates_impossible", "warning", "warn", "Its dates cannot be right: ends before it begins, or changed in the future", "It is in force at the wrong time, or never", "Correct the dates in the source or its manifest", _OWNER),
    # -- rights
    CodeMeaning("rights_missing", "error", "index", "Nobody may read it: the source says no rights for it", "It is never found, and nobody is told that it is missing", "Say its rights in the manifest, or add a rule for its folder", _OWNER),
    CodeMeaning("rights_unsupported", "error", "quarantine", "Its rights cannot be expressed here or do not fit its tenant", "It is kept from everybody, because guessing could show it to the wrong people", "Express its rights as groups without exceptions, and name its tenant", _ENGINEER),
    CodeMeaning("rights_too_broad", "error", "warn", "Everybody in the tenant may read personal data or a secret in it", "An answer may hand it to anybody who asks", "Narrow its rights, or take the data out of it", _OFFICER),
    CodeMeaning("rights_attachment_conflict", "warning", "warn", "An attachment says other rights than the mail or archive that carries it", "Only people who have both rights see it, which may be nobody", "Say the same readers for both, or keep the attachment apart", _OWNER),
    # -- what it holds
    CodeMeaning("personal_data", "info", "index", "It holds personal data", "An answer may quote it to somebody who needs it not", "Check that its readers need it; let the assistant show it to named groups only", _OFFICER),
    CodeMeaning("secret_present", "error", "warn", "It holds an access key or another secret", "Whoever can ask may use it until it is changed", "Change the secret now, then take it out of the document", _OFFICER),
    CodeMeaning("hidden_text", "warning", "warn", "It holds text that a reader does not see", "An answer can quote what nobody who opened the file has ever read", "Look at what is hidden and remove it, or make it visible", _OFFICER),
    CodeMeaning("instruction_to_assistant", "warning", "warn", "It speaks to a machine that reads it instead of to people", "It tries to change what is answered from every document", "Find out who wrote it; remove the words or the document", _OFFICER),
    CodeMeaning("macro_present", "warning", "warn", "It carries macros or scripts; they are never run here", "What people see when they open it may be made by the macro and not be in the text", "Save it in a format without macros", _OFFICER),
    # -- how it is made
    CodeMeaning("table_heavy", "info", "index", "Most of it is tables", "A figure without its row and column means nothing; questions must name both", "Check a few figures with questions; give every table a header row", _OWNER),
    CodeMeaning("image_only", "warning", "warn", "Most pages are pictures with a few words", "What the pictures say is not found", "Describe the pictures in words, or have them recognised", _OWNER),
    CodeMeaning("boilerplate_heavy", "info", "index", "Most of it repeats itself, or stands in many other documents too", "The same words come up for every question and crowd out what differs", "Move what is common to one document", _OWNER),
    CodeMeaning("very_long", "info", "index", "It is very long", "Passages from its far ends answer together without their context", "Split it by chapter, or make sure that it has headings", _OWNER),
    CodeMeaning("title_missing", "info", "index", "It has no title of its own", "A citation shows only the file's name, and searching by name finds nothing", "Give it a title in its properties, its first heading or the manifest", _OWNER),
    CodeMeaning("broken_link", "info", "index", "It points to something that is not in the source", "An answer may send people to a place that does not exist", "Correct the link, or add what it points to", _OWNER),
)  # fmt: skip

CODES: Final[Mapping[str, CodeMeaning]] = {meaning.code: meaning for meaning in _ALL}
"""Code → meaning, in the order in which the documentation shows them."""

FROM_READING: Final[Mapping[str, str]] = {
    "attachments_left_out": "partly_unread",
    "comments": "comments_present",
    "copying_restricted": "copying_restricted",
    "deep_nesting": "malformed",
    "embedded_message": "inside_not_opened",
    "encoding_guessed": "wrong_encoding",
    "hidden_text": "hidden_text",
    "json_invalid": "malformed",
    "macros": "macro_present",
    "mojibake": "mojibake",
    "nested_archive": "inside_not_opened",
    "ocr_language_missing": "ocr_language_missing",
    "ocr_low_confidence": "ocr_confidence_low",
    "page_needs_ocr": "needs_ocr",
    "page_unreadable": "partly_unread",
    "sheet_unreadable": "partly_unread",
    "slide_missing": "partly_unread",
    "truncated": "truncated",
    "sparse_sheet": "malformed",
    "type_mismatch": "wrong_type",
    "uneven_table": "malformed",
    "unreadable_characters": "garbled_text",
    "xml_entities": "malformed",
    "xml_invalid": "malformed",
}
"""What reading a document notices (`docs/reference/document-findings.md`) → the readiness code that it counts as."""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""Worst first."""
POLICIES: Final[tuple[Policy, ...]] = ("quarantine", "warn", "index")
"""Strictest first."""


def strictest(policies: list[Policy]) -> Policy:
    """What is done with a document whose findings ask for `policies`; without any it is indexed."""
    for policy in POLICIES:
        if policy in policies:
            return policy
    return "index"

"""The stored demo collection: manifest, files and questions agree, and every fact stands where it is said to stand."""

import email.message
import email.policy
import hashlib
import json
import re
import zipfile
from collections import Counter
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import yaml

DEMO = Path(__file__).parents[2] / "src" / "countersign" / "demo"
COLLECTION = DEMO / "collection"
TEXTS = Path(__file__).parents[2] / "tools" / "demo_collection" / "texts"
ACL_ENTRY = re.compile(r"group:[a-z-]+|user:[a-z]+|tenant:\*")
KAZAKH = re.compile("[әғқңөұүһі]", re.IGNORECASE)
LEGACY = {".doc", ".xls"}


@cache
def manifest() -> tuple[dict[str, Any], ...]:
    lines = (COLLECTION / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


@cache
def files() -> frozenset[str]:
    found = (path for path in COLLECTION.rglob("*") if path.is_file())
    return frozenset(path.relative_to(COLLECTION).as_posix() for path in found) - {"manifest.jsonl"}


@cache
def questions() -> dict[str, Any]:
    return yaml.safe_load((DEMO / "questions.yaml").read_text(encoding="utf-8"))


@cache
def languages() -> dict[str, str]:
    heads = (
        yaml.safe_load(path.read_text(encoding="utf-8").split("---\n", 2)[1]) for path in TEXTS.rglob("*.md")
    )
    return {head["file"]: head["language"] for head in heads}


def asked() -> list[dict[str, Any]]:
    """All questions, the one for three people included."""
    three = questions()["three_people"]
    shared = {"question": three["question"], "language": three["language"]}
    first = [{"id": f"three-{each['user']}", **shared, **each} for each in three["asked_by"]]
    return [*first, *questions()["questions"]]


def row_of(document: str) -> dict[str, Any]:
    parent, _, attachment = document.partition("#")
    for row in manifest():
        if (row["file"], row.get("attached_in")) == ((attachment, parent) if attachment else (parent, None)):
            return row
    raise AssertionError(f"no row for {document}")


def permits(row: dict[str, Any], person: dict[str, Any], name: str) -> bool:
    own = {"tenant:*", f"user:{name}", *(f"group:{group}" for group in person["groups"])}
    clauses = [row["acl"], *([entry] for entry in row.get("acl_all", []))]
    return row["tenant"] == person["tenant"] and all(own.intersection(clause) for clause in clauses)


def folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def pdf_pages(source: Path | bytes) -> list[str]:
    document = pypdfium2.PdfDocument(source)
    try:
        return [document[index].get_textpage().get_text_range() for index in range(len(document))]
    finally:
        document.close()


def packed_text(path: Path) -> str:
    """The text of a DOCX, PPTX or XLSX, cell and run by run."""
    with zipfile.ZipFile(path) as package:
        parts = [
            name for name in package.namelist() if name.endswith(".xml") and not name.startswith("docProps")
        ]
        xml = " ".join(package.read(name).decode() for name in parts)
    return unescape(" ".join(re.findall(r"<(?:w:t|a:t|t|v)(?: [^>]*)?>([^<]*)<", xml)))


def rtf_text(path: Path) -> str:
    text = re.sub(r"\\u(-?\d+)\?", lambda code: chr(int(code[1]) % 65536), path.read_text(encoding="ascii"))
    return re.sub(r"\\[a-z]+\d* ?|[{}]", " ", text)


def mail(path: Path) -> email.message.EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def text_of(document: str, page: int | None) -> str:
    """The text of a stored file or attachment; for PDF only of the 1-based `page`."""
    parent, _, attachment = document.partition("#")
    path = COLLECTION / parent
    if attachment:
        (part,) = [each for each in mail(path).iter_attachments() if each.get_filename() == attachment]
        return pdf_pages(part.get_content())[(page or 1) - 1]
    match path.suffix:
        case ".pdf":
            return pdf_pages(path)[(page or 1) - 1]
        case ".docx" | ".pptx" | ".xlsx":
            return packed_text(path)
        case ".rtf":
            return rtf_text(path)
        case ".eml":
            body = mail(path).get_body()
            assert body is not None
            return body.get_content()
        case ".html":
            return unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))
        case _:
            data = path.read_bytes()
            encoding = "utf-16" if data[:2] == b"\xff\xfe" else "utf-8-sig"
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return data.decode("cp1251")


def source_of(document: str) -> str:
    """The source text of a document, for those whose file holds only pictures."""
    for path in TEXTS.rglob("*.md"):
        head, body = path.read_text(encoding="utf-8").split("---\n", 2)[1:]
        if yaml.safe_load(head)["file"] == document:
            return body
    raise AssertionError(f"no source of {document}")


def test_every_row_has_its_file_and_one_file_deliberately_has_no_row():
    rows = {row["file"] for row in manifest() if "attached_in" not in row}
    assert rows <= files()
    assert files() - rows == {"bank/inbox/draft_pay_rise_note_en.md"}
    assert len(rows) == sum("attached_in" not in row for row in manifest())


def test_rows_are_well_formed():
    names = {row["file"] for row in manifest()}
    for row in manifest():
        entries = [*row["acl"], *row.get("acl_all", [])]
        assert row["acl"] and all(ACL_ENTRY.fullmatch(entry) for entry in entries), row["file"]
        assert row["tenant"] in {"bank", "telecom"}
        assert row["classification"] in {"public", "internal", "confidential", "board"}
        assert row["valid_from"] < row.get("valid_to", "9999")
        assert row.get("supersedes", row["file"]) in names
        assert {"title", "residency", "owner", "modified"} <= row.keys()


def test_the_mix_of_formats_languages_tenants_and_groups():
    formats = Counter(Path(name).suffix for name in files())
    assert {
        ".pdf",
        ".docx",
        ".pptx",
        ".xlsx",
        ".html",
        ".eml",
        ".rtf",
        ".doc",
        ".xls",
        ".csv",
        ".md",
        ".txt",
    } == set(formats)
    assert len(files()) >= 48 and formats[".eml"] == 3
    spoken = Counter(languages().values())
    assert min(spoken[language] for language in ("kk", "ru", "en")) >= 16
    tenants = Counter(row["tenant"] for row in manifest())
    assert tenants["bank"] >= 36 and tenants["telecom"] >= 12
    groups = {
        entry.partition(":")[2] for row in manifest() for entry in row["acl"] if entry.startswith("group:")
    }
    assert groups >= {"staff", "call-centre", "hr", "treasury", "board", "compliance", "network-ops", "legal"}


def test_the_collection_is_small():
    assert sum((COLLECTION / name).stat().st_size for name in files()) < 6_000_000


def test_scans_hold_no_text_and_are_few():
    scans = [name for name in files() if "_scan_" in name]
    pages = [page for name in scans for page in pdf_pages(COLLECTION / name)]
    assert {languages()[name] for name in scans} == {"kk", "ru", "en"}
    assert 0 < len(pages) <= 12
    assert not any(page.strip() for page in pages)


def test_digital_pdfs_carry_their_text_with_kazakh_letters():
    digital = [
        name for name in files() if name.endswith(".pdf") and "_scan_" not in name and "protected" not in name
    ]
    assert len(digital) >= 8
    for name in digital:
        pages = pdf_pages(COLLECTION / name)
        assert all(page.strip() for page in pages), name
        assert "\ufffd" not in "".join(pages)
        if languages()[name] == "kk":
            assert len(KAZAKH.findall("".join(pages))) > 50


def test_the_protected_file_needs_its_password():
    with pytest.raises(pypdfium2.PdfiumError, match="password"):
        pypdfium2.PdfDocument(COLLECTION / "bank/legal/merger_memo_protected_en.pdf")


def test_one_exact_copy_one_near_copy_and_one_file_without_text():
    digests = Counter(hashlib.sha256((COLLECTION / name).read_bytes()).hexdigest() for name in files())
    assert sorted(digests.values())[-2:] == [1, 2]
    final = source_of("bank/legal/vendor_contract_courier_en.docx").splitlines()
    draft = source_of("bank/legal/vendor_contract_courier_draft_en.doc").splitlines()
    assert sum(a != b for a, b in zip(final, draft, strict=True)) == 2
    assert not text_of("bank/inbox/new_note.txt", None).strip()


def test_an_attachment_has_narrower_rights_than_its_mail():
    (attached,) = [row for row in manifest() if "attached_in" in row]
    parent = row_of(attached["attached_in"])
    people = questions()["people"]
    may_read_mail = {name for name, person in people.items() if permits(parent, person, name)}
    may_read_both = {name for name in may_read_mail if permits(attached, people[name], name)}
    assert may_read_both and may_read_both < may_read_mail


def test_personal_identifiers_have_valid_check_digits():
    text = rtf_text(COLLECTION / "bank/hr/advance_request_sample_ru.rtf")
    (iin,) = re.findall(r"\b\d{12}\b", text)
    (iban,) = re.findall(r"KZ\d{2}(?: \w{4}){4}", text)
    (card,) = re.findall(r"\d{4}(?: \d{4}){3}(?= )", text.replace(iban, ""))
    digits = [int(digit) for digit in iin]
    assert sum(weight * digit for weight, digit in enumerate(digits[:11], start=1)) % 11 == digits[11]
    compact = iban.replace(" ", "")
    assert int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
    luhn = [int(digit) for digit in reversed(card.replace(" ", ""))]
    doubled = [digit if index % 2 == 0 else sum(divmod(2 * digit, 10)) for index, digit in enumerate(luhn)]
    assert sum(doubled) % 10 == 0


def test_enough_questions_in_three_languages_with_every_outcome():
    assert len(questions()["questions"]) >= 24
    assert {each["language"] for each in asked()} == {"kk", "ru", "en"}
    three = [each["expect"] for each in questions()["three_people"]["asked_by"]]
    assert three == ["delivered", "held", "refused"]
    assert len({each["id"] for each in asked()}) == len(asked())
    assert {each["user"] for each in asked()} == set(questions()["people"])


@pytest.mark.parametrize("question", asked(), ids=lambda question: question["id"])
def test_the_asker_may_see_exactly_what_the_outcome_says(question: dict[str, Any]):
    person = questions()["people"][question["user"]]
    if question["expect"] == "refused":
        assert question["document"] is None
        return
    row = row_of(question["document"])
    today = str(question.get("as_of", "2026-01-01"))
    assert permits(row, person, question["user"])
    assert row["valid_from"] <= today <= row.get("valid_to", "9999")
    if question["expect"] == "held" and "conflicts_with" not in question:
        assert row["classification"] == "board"
    if "conflicts_with" in question:
        assert permits(row_of(question["conflicts_with"]), person, question["user"])


@pytest.mark.parametrize(
    "question", [each for each in asked() if "answer_contains" in each], ids=lambda question: question["id"]
)
def test_the_fact_stands_in_the_named_document(question: dict[str, Any]):
    document = question["document"]
    scanned = question.get("needs") == "ocr"
    text = source_of(document) if scanned else text_of(document, question["page"])
    assert folded(question["answer_contains"]) in folded(text)


def test_a_forbidden_or_withdrawn_fact_is_in_nothing_the_asker_may_see():
    """What a refused question must not reveal stands in no document that its asker may see at that date."""
    people = questions()["people"]
    for question in asked():
        excluded = question.get("answer_excludes")
        if question["expect"] != "refused" or excluded is None:
            continue
        today = str(question.get("as_of", "2026-01-01"))
        for row in manifest():
            seen = permits(row, people[question["user"]], question["user"])
            if (
                seen
                and row["valid_from"] <= today <= row.get("valid_to", "9999")
                and "attached_in" not in row
            ):
                body = source_of(row["file"]) if row["file"] not in copies() else ""
                assert not re.search(rf"(?<![\d.,])(?<!\d ){re.escape(excluded)}(?!\d)", body), (
                    question["id"],
                    row["file"],
                )


def copies() -> set[str]:
    return {"bank/inbox/password_policy_en (1).pdf"}


@pytest.mark.parametrize(
    ("fact", "document"),
    [
        ("45 000 000", "bank/branches/order_88_cash_limits_scan_ru.pdf"),
        ("35,000 tenge", "bank/branches/safe_deposit_box_terms_scan_en.pdf"),
        ("аптасына 2 күн", "bank/hr/order_114_remote_work_scan_kk.pdf"),
        ("1.25 %, min 1,200 ₸", "bank/tariffs/card_tariff_guide_en.pdf"),
        ("USD 3.2 million", "fx_limits_annex.pdf"),
        ("150 000 ₸", "bank/tariffs/student_pension_cards_kk.pdf"),
        ("7 500 ₸", "bank/tariffs/business_account_tariff_ru.pdf"),
        ("1,490 ₸", "bank/board/board_minutes_2025_06_en.pdf"),
    ],
)
def test_a_fact_that_is_said_to_be_in_one_place_is_nowhere_else(fact: str, document: str):
    holders = {
        yaml.safe_load(head)["file"]
        for path in TEXTS.rglob("*.md")
        for head, body in [path.read_text(encoding="utf-8").split("---\n", 2)[1:]]
        if fact in body
    }
    assert holders == {document}


def test_the_stored_files_are_those_of_the_texts():
    sources = {name for name in languages() if "/" in name}
    assert sources == files()

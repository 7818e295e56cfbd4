"""What is inside a mail or an archive, as a document of its own: its name, its rights, its dates."""

from __future__ import annotations

from dataclasses import replace

from countersign.domain.documents import SourceDocument

MAX_DEPTH = 3
MARK = "#"


def part_of(carrier: SourceDocument, filename: str, mime: str) -> SourceDocument:
    """Readers of a part are those who may read its carrier and whom its own rights, where said, admit."""
    said = next((part for part in carrier.parts if part.filename == filename), None)
    base = said or replace(carrier, title="", supersedes="", rights_origin=f"inside {carrier.external_id}")
    return replace(
        base,
        source=carrier.source,
        external_id=f"{carrier.external_id}{MARK}{filename}",
        tenant=carrier.tenant,
        filename=filename,
        mime=mime,
        rights=carrier.rights.intersect(said.rights) if said else carrier.rights,
        residency=base.residency or carrier.residency,
        classification=base.classification or carrier.classification,
        modified=base.modified or carrier.modified,
        valid_from=base.valid_from or carrier.valid_from,
        valid_to=base.valid_to or carrier.valid_to,
        parent=carrier.external_id,
        parts=(),
        quarantine=_problem(carrier, said),
    )


def _problem(carrier: SourceDocument, said: SourceDocument | None) -> str:
    if said is None:
        return carrier.quarantine
    return "wrong_tenant" if said.tenant != carrier.tenant else said.quarantine

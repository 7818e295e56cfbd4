"""Documents out of files: what a manifest, rules or the file system say of each, wherever the file lies."""

from __future__ import annotations

import mimetypes
import posixpath
from datetime import datetime

from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.facts import tenant_of
from countersign.sources.posix import PosixReader
from countersign.sources.sidecar import Said, Sidecar, read_sidecar, said_by_rules
from countersign.sources.trees import FileEntry, FileTree

_SIDECAR_MAX_BYTES = 256 * 1024 * 1024


class Describer:
    """For one pass: the manifest is read once, at its start."""

    def __init__(self, settings: SourceSettings, tenants: tuple[str, ...], tree: FileTree) -> None:
        self._settings = settings
        self._tenants = settings.tenants or tenants
        self._sidecar = _sidecar(settings, tree)
        posix = settings.rights_posix
        self._posix = PosixReader(posix, local=tree.kind == "local") if posix else None

    def listed(self, entry: FileEntry) -> Listed | None:
        """None for the manifest itself. What has a problem is told under a name that can be shown."""
        if entry.path == self._settings.rights_sidecar:
            return None
        shown = entry.path
        if entry.problem:
            shown = shown.encode("utf-8", "backslashreplace").decode().replace("\\0", "\\\\0")
        return Listed(self._document(shown, entry), entry.size, entry.revision, entry.problem)

    def _document(self, path: str, entry: FileEntry) -> SourceDocument:
        said, parts = self._said(path, entry)
        return self._describe(path, posixpath.basename(path), said, entry.modified, parts)

    def _said(self, path: str, entry: FileEntry) -> tuple[Said, tuple[SourceDocument, ...]]:
        if self._posix is not None:
            way = entry.way
            whole = len(way) == path.count("/") + 2  # the root, every folder, the file
            return (self._posix.said(way) if whole else _NOT_TOLD), ()
        if self._sidecar is None:
            return said_by_rules(path, self._settings), ()
        said = self._sidecar.files.get(path) or Said({}, Rights(), self._unnamed(path, self._sidecar))
        attached = self._sidecar.attachments.get(path, {})
        parts = (
            self._describe(f"{path}#{name}", name, part.inside(said), None) for name, part in attached.items()
        )
        return said, tuple(parts)

    def _unnamed(self, path: str, sidecar: Sidecar) -> str:
        """Not taken for the same name: there may be a file of either."""
        if sidecar.named_otherwise(path):
            return f"{self._settings.rights_sidecar} writes its name in other code points (NFC, NFD): nobody"
        return f"{self._settings.rights_sidecar} has no row for it: nobody"

    def _describe(
        self,
        external_id: str,
        filename: str,
        said: Said,
        modified: datetime | None,
        parts: tuple[SourceDocument, ...] = (),
    ) -> SourceDocument:
        tenant, wrong = tenant_of(said.text("tenant"), self._tenants)
        problem = said.problem or wrong
        return SourceDocument(
            source=self._settings.name,
            external_id=external_id,
            tenant=tenant,
            title=said.text("title"),
            filename=filename,
            mime=mimetypes.guess_type(filename)[0] or "application/octet-stream",
            rights=Rights() if problem else said.rights,
            rights_origin=said.origin,
            residency=said.text("residency") or self._settings.residency,
            classification=said.text("classification"),
            owner=said.text("owner"),
            modified=said.moment("modified") or modified,
            valid_from=said.moment("valid_from"),
            valid_to=said.moment("valid_to"),
            supersedes=said.text("supersedes"),
            parts=parts,
            quarantine=problem,
        )


_NOT_TOLD = Said({}, Rights(), "the file system does not tell who may read it: nobody", "rights_unsupported")


def _sidecar(settings: SourceSettings, tree: FileTree) -> Sidecar | None:
    name = settings.rights_sidecar
    if not name:
        return None
    try:
        content = tree.read(name, _SIDECAR_MAX_BYTES)
    except SourceError as error:
        if error.code != "source_file_gone":
            raise
        raise SourceError(
            f"source {settings.name}: the manifest {name} is not there",
            code="source_sidecar_missing",
            hint="Without it nobody may see anything, so nothing was changed.",
        ) from error
    if len(content) > _SIDECAR_MAX_BYTES:
        raise SourceError(
            f"source {settings.name}: the manifest {name} is larger than 256 MiB",
            code="source_sidecar_too_large",
            hint="Split the source, or use rules. Nothing was changed.",
        )
    return read_sidecar(content.decode("utf-8-sig", errors="replace"), name, settings.sidecar_keys)

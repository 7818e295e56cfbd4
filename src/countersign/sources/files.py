"""The files connector: a folder, local or behind any fsspec URL, with rights from a sidecar manifest or from rules."""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import SourceError
from countersign.domain.text import storable
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.sidecar import Said, Sidecar, read_sidecar, said_by_rules

_SIDECAR_MAX_BYTES = 256 * 1024 * 1024
_MAX_FILES = 5_000_000


class FilesConnector:
    """A relative `url` starts in the workspace's folder."""

    OPTIONS: tuple[Option, ...] = ()
    NEEDS_URL = True

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        from fsspec.core import url_to_fs

        self._settings = settings
        self._tenants = settings.tenants or around.tenants
        url = settings.url if "://" in settings.url else str((around.root / settings.url).resolve())
        self._fs: Any
        self._root: str
        self._fs, self._root = url_to_fs(url)
        self._local = "://" not in settings.url

    def list(self) -> Iterator[Listed]:
        if not self._fs.isdir(self._root):
            raise SourceError(
                f"source {self._settings.name}: the folder is not there",
                code="source_folder_missing",
                hint=f"Check `sources.{self._settings.name}.url`; nothing was removed from the index.",
            )
        sidecar = self._sidecar()
        for path, info in self._walk():
            if path != self._settings.rights_sidecar:
                yield self._listed(path, info, sidecar)

    def _listed(self, path: str, info: dict[str, Any], sidecar: Sidecar | None) -> Listed:
        """A name that is no text (of an old code page, say) cannot be an id: it is told, and its file left alone."""
        problem = "" if storable(path) else "source_name_unreadable"
        shown = (
            path if not problem else path.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        )
        return Listed(self._document(shown, info, sidecar), int(info.get("size") or 0), problem=problem)

    def read(self, external_id: str, max_bytes: int) -> bytes:
        path = self._inside(external_id)
        try:
            with self._fs.open(path, "rb") as file:
                content: bytes = file.read(max_bytes + 1)
        except OSError as error:
            raise SourceError(
                f"{external_id} could not be read: {error.strerror}", code="source_file_gone"
            ) from error
        if len(content) > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`, or split the file.",
            )
        return content

    def _inside(self, external_id: str) -> str:
        """An external id is data: it must not climb out of the source, by dots or by a link."""
        path = posixpath.normpath(posixpath.join(self._root, external_id))
        inside = path.startswith(self._root.rstrip("/") + "/")
        if inside and self._local:
            inside = Path(path).resolve().is_relative_to(Path(self._root).resolve())
        if not inside:
            raise SourceError(f"{external_id!r} is outside its source", code="source_file_gone")
        return path

    def _walk(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(path below the root, information) of every file. A folder that cannot be read ends the pass: what it holds
        would otherwise count as removed."""
        prefix, folders, count = self._root.rstrip("/") + "/", [self._root], 0
        while folders:
            for info in sorted(self._listing(folders.pop()), key=lambda info: info["name"]):
                name = posixpath.basename(info["name"].rstrip("/"))
                if name.startswith(".") or info.get("type") == "other" or self._escapes(info):
                    continue
                if info.get("type") == "directory":
                    if not info.get("islink"):
                        folders.append(info["name"].rstrip("/"))
                    continue
                count += 1
                if count > _MAX_FILES:
                    raise SourceError(f"more than {_MAX_FILES} files", code="source_too_large")
                yield info["name"].removeprefix(prefix), info

    def _listing(self, folder: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._fs.ls(folder, detail=True)
        except FileNotFoundError:
            if folder != self._root:  # it went away since its parent was read
                return []
            raise _unreadable(self._settings.name) from None
        except OSError as error:
            raise _unreadable(self._settings.name) from error
        return [info for info in found if info["name"].rstrip("/") != folder.rstrip("/")]

    def _escapes(self, info: dict[str, Any]) -> bool:
        if not self._local or not info.get("islink"):
            return False
        return not Path(info["name"]).resolve().is_relative_to(Path(self._root).resolve())

    def _sidecar(self) -> Sidecar | None:
        name = self._settings.rights_sidecar
        if not name:
            return None
        path = posixpath.join(self._root, name)
        if not self._fs.exists(path):
            raise SourceError(
                f"source {self._settings.name}: the manifest {name} is not there",
                code="source_sidecar_missing",
                hint="Without it nobody may see anything, so nothing was changed.",
            )
        with self._fs.open(path, "rb") as file:
            content: bytes = file.read(_SIDECAR_MAX_BYTES)
        return read_sidecar(content.decode("utf-8-sig", errors="replace"), name, self._settings.sidecar_keys)

    def _document(self, path: str, info: dict[str, Any], sidecar: Sidecar | None) -> SourceDocument:
        if sidecar is None:
            said = said_by_rules(path, self._settings)
            parts: tuple[SourceDocument, ...] = ()
        else:
            origin = f"{self._settings.rights_sidecar} has no row for it: nobody"
            said = sidecar.files.get(path, Said({}, Rights(), origin))
            attached = sidecar.attachments.get(path, {})
            parts = tuple(
                self._describe(f"{path}#{name}", name, part.inside(said), None)
                for name, part in attached.items()
            )
        return self._describe(path, posixpath.basename(path), said, _modified(info), parts)

    def _describe(
        self,
        external_id: str,
        filename: str,
        said: Said,
        modified: datetime | None,
        parts: tuple[SourceDocument, ...] = (),
    ) -> SourceDocument:
        tenant, wrong = self._tenant(said.text("tenant"))
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

    def _tenant(self, named: str) -> tuple[str, str]:
        if not named:
            only = len(self._tenants) == 1
            return self._tenants[0], "" if only else "tenant_missing"
        if named not in self._tenants:
            return self._tenants[0], "wrong_tenant"
        return named, ""


def _unreadable(source: str) -> SourceError:
    return SourceError(
        f"source {source}: a folder could not be read",
        code="source_folder_unreadable",
        hint="Let the service's user read every folder of it; nothing was removed from the index.",
    )


def _modified(info: dict[str, Any]) -> datetime | None:
    stamp = info.get("mtime") or info.get("LastModified")
    if isinstance(stamp, datetime):
        return stamp
    return datetime.fromtimestamp(float(stamp), UTC) if stamp else None

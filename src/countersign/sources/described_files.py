"""A connector over a tree of files, wherever the tree lies: what each is described by, and one of them read."""

from __future__ import annotations

from collections.abc import Iterator

from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.described import Describer
from countersign.sources.trees import FileTree


class DescribedFiles:
    def __init__(self, settings: SourceSettings, tenants: tuple[str, ...], tree: FileTree) -> None:
        self._settings = settings
        self._tenants = tenants
        self._tree = tree

    def list(self) -> Iterator[Listed]:
        self._tree.connect()
        describer = Describer(self._settings, self._tenants, self._tree)
        for entry in self._tree.entries():
            listed = describer.listed(entry)
            if listed is not None:
                yield listed

    def read(self, external_id: str, max_bytes: int) -> bytes:
        content = self._tree.read(external_id, max_bytes)
        if len(content) > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`, or split the file.",
            )
        return content

    def close(self) -> None:
        self._tree.close()

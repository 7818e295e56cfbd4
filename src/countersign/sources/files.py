"""The files connector: a folder of this machine, a bucket, a share or a server, with rights from a manifest, rules or modes."""

from __future__ import annotations

from countersign.domain.workspace import SourceSettings
from countersign.sources.described_files import DescribedFiles
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.stores import STORE_OPTIONS, objections, open_tree


class FilesConnector(DescribedFiles):
    """A relative `url` starts in the workspace's folder."""

    OPTIONS: tuple[Option, ...] = STORE_OPTIONS
    NEEDS_URL = True
    objections = staticmethod(objections)

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        super().__init__(settings, around.tenants, open_tree(settings, around.root))

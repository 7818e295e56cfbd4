"""The workspace file, read once at the edge into one typed value. Below this package there is no environment.

`load` gives the workspace or refuses with everything that is wrong at once; `problems` gives the same list, with
warnings, for `doctor`; `template` writes a new file for `init`; `reference` prints what may stand in a file.
"""

from __future__ import annotations

from countersign.config.load import ConfigInvalid, load, problems
from countersign.config.reading import ConfigProblem
from countersign.config.template import template

__all__ = ["ConfigInvalid", "ConfigProblem", "load", "problems", "template"]

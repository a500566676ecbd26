"""Read and change Synapse's database where no API does: SQLite, or PostgreSQL with workers."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg2

from tests.live.workers import WorkerHomeserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.homeserver import Homeserver

_TIMEOUT = 30  # seconds to wait for SQLite's lock


def rows(server: Homeserver, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query. The values replace its question marks."""
    with transaction(server) as execute:
        return execute(query, *values)


@contextlib.contextmanager
def transaction(server: Homeserver) -> Iterator[Execute]:
    """Return an object that runs statements in one transaction. The end of the block commits."""
    if isinstance(server, WorkerHomeserver):
        with (
            contextlib.closing(psycopg2.connect(**server.database)) as session,
            session,
            session.cursor() as cursor,
        ):
            yield Execute(cursor, "%s")
    else:
        path = server.directory / "homeserver.db"
        with contextlib.closing(sqlite3.connect(path, timeout=_TIMEOUT)) as connection, connection:
            yield Execute(connection.cursor(), "?")


class Execute:
    """Runs a statement with question marks, and returns its rows."""

    def __init__(self, cursor: Any, mark: str) -> None:  # noqa: ANN401 - psycopg2's or sqlite3's
        self._cursor = cursor
        self._mark = mark

    def __call__(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(statement.replace("?", self._mark), values)
        return self._cursor.fetchall() if self._cursor.description else []

"""A throwaway PostgreSQL: one directory, no network, gone when the test is.

It is Debian's or whatever is on the PATH; where there is none, the test is skipped, and says so.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg2
import pytest

from tests.live.tethered import program, tethered

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection: TypeAlias = dict[str, Any]
"""Arguments of ``psycopg2.connect``, which are also those of Synapse's ``database`` setting."""

_PORT = 5432  # a part of the socket's name, no more
# PostgreSQL refuses root, who can act as these: the first is Debian's own for it, the second is everywhere.
_UNPRIVILEGED = ("postgres", "nobody")
# Debian keeps what only a server needs out of the PATH, in a directory for each version.
_DEBIAN = Path("/usr/lib/postgresql")


@contextlib.contextmanager
def postgresql() -> Iterator[Connection]:
    """Run a PostgreSQL with an empty database as Synapse wants it, and tell how to reach it."""
    # As the server's own user must reach it, it cannot be in pytest's directory; and as a socket's path is at
    # most 107 bytes long, it has a short name.
    with contextlib.ExitStack() as stack:
        initdb, postgres = _program("initdb"), _program("postgres")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-pg-")))
        as_whom = _unprivileged(folder)
        data, log = folder / "data", folder / "output.log"
        options: dict[str, Any] = {
            "cwd": folder,
            "env": {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"},
            **as_whom,
        }
        # The socket is in a directory that nobody else may enter, so it needs no password.
        locale = ("--locale=C", "--encoding=UTF8", "--auth=trust", "--username=synapse", "--no-sync")
        made = subprocess.run(
            [initdb, "--pgdata", data, *locale],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **options,
        )
        assert made.returncode == 0, made.stdout
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "port": _PORT,
            "fsync": "off",
            # Statistics are of the day when a test takes them.
            "autovacuum": "off",
        }
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        connection = {"host": str(folder), "port": _PORT, "user": "synapse", "database": "postgres"}
        command: list[str | Path] = [postgres, "-D", data, *arguments]
        # INT: it closes the connections that are still there.
        with tethered(command, log, lambda: _answers(connection), sign="INT", **options):
            yield connection


def execute(connection: Connection, *statements: str) -> None:
    """Run SQL, each statement in a transaction of its own."""
    with contextlib.closing(psycopg2.connect(**connection)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _program(name: str) -> str:
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return program(name, "postgresql", *versions)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Give the directory away where we are root, and return what makes a process the new owner's."""
    if os.geteuid() != 0:
        return {}
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip(f"PostgreSQL refuses root, and there is no user {' or '.join(_UNPRIVILEGED)} here")


def _answers(connection: Connection) -> bool:
    try:
        psycopg2.connect(**connection).close()
    except psycopg2.OperationalError:
        return False
    return True

"""A temporary PostgreSQL server in one directory, without network, removed after the test.

The programs are those of Debian's package, or those on the PATH. Without them, the test is skipped.
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

from tests.live.programs import find_program, running_program

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection: TypeAlias = dict[str, Any]
"""Arguments of ``psycopg2.connect``. Synapse's ``database`` setting takes the same arguments."""

_PORT = 5432  # only part of the socket's name
# PostgreSQL does not run as root, so root runs it as one of these users. Debian's package has the first
# one, every system has the second.
_UNPRIVILEGED = ("postgres", "nobody")
# Debian installs the server programs outside the PATH, in a directory for each version.
_DEBIAN = Path("/usr/lib/postgresql")


@contextlib.contextmanager
def postgresql() -> Iterator[Connection]:
    """Run a PostgreSQL with an empty database for Synapse; return how to connect to it."""
    # The user that runs PostgreSQL cannot enter pytest's directory, so the data is in another one. Its name
    # is short, because the path of a socket has at most 107 bytes.
    with contextlib.ExitStack() as stack:
        initdb, postgres = _find_program("initdb"), _find_program("postgres")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-pg-")))
        user_options = _unprivileged_user(folder)
        data, log = folder / "data", folder / "output.log"
        options: dict[str, Any] = {
            "cwd": folder,
            "env": {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"},
            **user_options,
        }
        # No other user can enter the directory of the socket, so the database needs no password.
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
            # Only the tests update the planner's statistics.
            "autovacuum": "off",
        }
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        connection = {"host": str(folder), "port": _PORT, "user": "synapse", "database": "postgres"}
        command: list[str | Path] = [postgres, "-D", data, *arguments]
        # INT is a fast shutdown: PostgreSQL closes open connections.
        with running_program(command, log, lambda: _accepts(connection), stop_signal="INT", **options):
            yield connection


def execute(connection: Connection, *statements: str) -> None:
    """Run SQL statements, each in a separate transaction."""
    with contextlib.closing(psycopg2.connect(**connection)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _find_program(name: str) -> str:
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return find_program(name, "postgresql", *versions)


def _unprivileged_user(folder: Path) -> dict[str, Any]:
    """If root: give the directory to another user, and return the Popen arguments to run as that user."""
    if os.geteuid() != 0:
        return {}
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip(f"PostgreSQL does not run as root, and there is no user {' or '.join(_UNPRIVILEGED)} here")


def _accepts(connection: Connection) -> bool:
    try:
        psycopg2.connect(**connection).close()
    except psycopg2.OperationalError:
        return False
    return True

"""Fixtures for tests against real Synapse servers, with the real command line.

A server starts when the first test uses it, and stops at the end of the session. Each worker of
pytest-xdist has its own servers. Tests share them: a test registers its own users (``newcomer``) and makes
its own rooms.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

import synadmin as package
from synadmin.errors import MatrixError, NotSupportedError
from synadmin.sandbox.community import Community, fill
from synadmin.sandbox.homeserver import Homeserver
from tests import loaded
from tests.live.delegated import running as running_delegated
from tests.live.workers import REQUESTED, shared_server, wait_for_workers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.delegated import Delegated

# Seconds for one command. With workers it takes longer: an event has to reach the delayed worker.
_TIMEOUT = 600 if REQUESTED else 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


_TESTED_CODE = tuple(Path(package.__file__).parent / part for part in ("recovery", "audit", "cli"))
_OTHER_SYNAPSE = os.environ.get("SYNADMIN_TEST_SYNAPSE_PYTHON")
if _OTHER_SYNAPSE:
    # The interpreter of an environment with another version of Synapse: `make test-versions`.
    Homeserver.python = Path(_OTHER_SYNAPSE)


def _is_tested_code(file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in _TESTED_CODE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Skip a test whose own requests need a newer Synapse: suspended users, room version 12.

    An error inside the tested code is a failure. Most of that code runs in separate processes; the rest is
    recognized by its file.
    """
    try:
        yield
    except MatrixError as error:
        if any(
            _is_tested_code(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)
        ):
            raise
        missing = isinstance(error, NotSupportedError) or error.errcode == "M_UNSUPPORTED_ROOM_VERSION"
        if not (_OTHER_SYNAPSE and missing):
            raise
        pytest.skip(f"this Synapse is too old for the test: {error}")


@pytest.fixture(scope="session")
def homeserver() -> Iterator[Homeserver]:
    """Return a Synapse with raised rate limits."""
    with shared_server() as server:
        yield server


@pytest.fixture(scope="session")
def default_limits() -> Iterator[Homeserver]:
    """Return a Synapse with its default rate limits."""
    with shared_server(server_name="strict.example", default_rate_limits=True) as server:
        yield server


@pytest.fixture(scope="session")
def federation() -> Iterator[tuple[Homeserver, Homeserver]]:
    """Return two Synapses that federate: the local one and a remote one."""
    with shared_server(federates=True) as ours, Homeserver(federates=True) as theirs:
        yield ours, theirs


@pytest.fixture(scope="session")
def delegated() -> Iterator[Delegated]:
    """Return a Synapse whose accounts the Matrix Authentication Service manages."""
    with running_delegated() as server:
        yield server


@pytest.fixture(scope="session")
def community(homeserver: Homeserver) -> Community:
    """Return the users and rooms of the sandbox, on ``homeserver``. Tests must not change them."""
    return fill(homeserver)


class Newcomer(Protocol):
    def __call__(self, name: str = "alice", *, server: Homeserver | None = None) -> Person: ...


_numbers = itertools.count(1)


@pytest.fixture
def newcomer(request: pytest.FixtureRequest) -> Newcomer:
    """Return a function that registers a new user, whom no other test uses."""

    def register(name: str = "alice", *, server: Homeserver | None = None) -> Person:
        if server is None:
            server = request.getfixturevalue("homeserver")
        return server.register(f"{name}-{next(_numbers)}")

    return register


@dataclass(frozen=True)
class Answer:
    """The output of a command, and its exit code."""

    stdout: str
    stderr: str
    code: int


class Synadmin(Protocol):
    def __call__(
        self,
        *arguments: str,
        server: Homeserver | None = None,
        acting: Person | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Answer: ...


@pytest.fixture
def synadmin(request: pytest.FixtureRequest, tmp_path: Path) -> Synadmin:
    """Return a function that runs the command line in a separate process.

    The command runs against ``server``, by default ``homeserver``, with the token of ``acting``, by default
    the server admin. Its environment holds only these two settings and the home directory; ``env`` adds
    variables or replaces them.
    """

    def run(
        *arguments: str,
        server: Homeserver | None = None,
        acting: Person | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        if server is None:
            server = request.getfixturevalue("homeserver")
        variables = environment_of(tmp_path, server.url, acting or server.admin)
        code, stdout, stderr = loaded.run(
            arguments, cwd=tmp_path, env=variables | dict(env or {}), stdin=stdin or "", timeout=_TIMEOUT
        )
        return Answer(stdout, stderr, code)

    return run


@contextmanager
def running(
    home: Path, url: str, acting: Person, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the command line in the background. Kill it at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "synadmin", *arguments],
        cwd=home,
        env=environment_of(home, url, acting) | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def environment_of(home: Path, url: str, acting: Person) -> dict[str, str]:
    """Return an environment that configures only a homeserver and the access token of a user."""
    wait_for_workers()
    return clean_environment(home) | {"SYNADMIN_HOMESERVER": url, "SYNADMIN_ACCESS_TOKEN": acting.token}


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment without any synadmin setting of this machine."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }

"""Real Synapses, and the real command line against them.

A server is started when the first test asks for it and stopped with the session; each worker of
pytest-xdist has its own. Tests share it, so they bring their own people (``newcomer``) and rooms.
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
from tests.live.workers import REQUESTED, settle, shared_server

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.delegated import Delegated

_PATIENCE = 600 if REQUESTED else 120  # seconds for one command; an event waits for a worker that lags


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


_TESTED = tuple(Path(package.__file__).parent / part for part in ("recovery", "audit", "cli"))
_OTHER_SYNAPSE = os.environ.get("SYNADMIN_TEST_SYNAPSE_PYTHON")
if _OTHER_SYNAPSE:
    # The interpreter of an environment with another version of Synapse: `make test-versions`.
    Homeserver.python = Path(_OTHER_SYNAPSE)


def _is_tested(file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in _TESTED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Skip a test whose own requests need what an older Synapse has not: suspended users, room version 12.

    What the code that is tested does not get is a failure: most of it runs in processes of its own, and the
    rest is known by its file.
    """
    try:
        yield
    except MatrixError as error:
        if any(_is_tested(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)):
            raise
        missing = isinstance(error, NotSupportedError) or error.errcode == "M_UNSUPPORTED_ROOM_VERSION"
        if not (_OTHER_SYNAPSE and missing):
            raise
        pytest.skip(f"this Synapse is too old for the test: {error}")


@pytest.fixture(scope="session")
def homeserver() -> Iterator[Homeserver]:
    """A Synapse with raised rate limits."""
    with shared_server() as server:
        yield server


@pytest.fixture(scope="session")
def default_limits() -> Iterator[Homeserver]:
    """A Synapse with the rate limits that it comes with."""
    with shared_server(server_name="strict.example", default_rate_limits=True) as server:
        yield server


@pytest.fixture(scope="session")
def federation() -> Iterator[tuple[Homeserver, Homeserver]]:
    """Two Synapses that federate: ours, and the one next door."""
    with shared_server(federates=True) as ours, Homeserver(federates=True) as theirs:
        yield ours, theirs


@pytest.fixture(scope="session")
def delegated() -> Iterator[Delegated]:
    """A Synapse whose accounts the Matrix Authentication Service manages."""
    with running_delegated() as server:
        yield server


@pytest.fixture(scope="session")
def community(homeserver: Homeserver) -> Community:
    """The sandbox's own small community, on ``homeserver``. Look, and leave it as it is."""
    return fill(homeserver)


class Newcomer(Protocol):
    def __call__(self, name: str = "alice", *, server: Homeserver | None = None) -> Person: ...


_numbers = itertools.count(1)


@pytest.fixture
def newcomer(request: pytest.FixtureRequest) -> Newcomer:
    """Register somebody whom no other test has met."""

    def register(name: str = "alice", *, server: Homeserver | None = None) -> Person:
        if server is None:
            server = request.getfixturevalue("homeserver")
        return server.register(f"{name}-{next(_numbers)}")

    return register


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

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
    """Run the command line in a process and an environment of its own.

    ``server`` is ``homeserver`` unless said otherwise, and its administrator holds the token unless
    ``acting`` does. ``env`` is laid over an environment that has nothing in it but those two and a home.
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
            arguments, cwd=tmp_path, env=variables | dict(env or {}), stdin=stdin or "", timeout=_PATIENCE
        )
        return Answer(stdout, stderr, code)

    return run


@contextmanager
def running(
    home: Path, url: str, acting: Person, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The command line at work beside the test, to be watched and disturbed; killed in the end."""
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
    """An environment in which somebody's token is configured, and nothing else."""
    settle()
    return clean_environment(home) | {"SYNADMIN_HOMESERVER": url, "SYNADMIN_ACCESS_TOKEN": acting.token}


def clean_environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of the machine's own settings is left."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }

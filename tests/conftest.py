"""What every test has: a home of its own, and random examples that are the same the next time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Whoever starts this in the background of a script has it ignore these, and so would each program under test.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A slow example on a busy machine is no failure, and a failure must be the same one the next time.
hypothesis.settings.register_profile("everyday", deadline=None, derandomize=True)
# `HYPOTHESIS_PROFILE=long make test` looks further, and elsewhere every time.
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


@pytest.fixture(autouse=True)
def _a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the settings, the profile and the journal of whoever runs them."""
    for name in list(os.environ):
        # SYNADMIN_TEST_… is for the tests themselves: how many random rooms, for instance.
        if name.startswith("SYNADMIN_") and not name.startswith("SYNADMIN_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    for name, folder in (
        ("HOME", home),
        ("XDG_CONFIG_HOME", home / ".config"),
        ("XDG_STATE_HOME", home / ".local" / "state"),
        ("XDG_CACHE_HOME", home / ".cache"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TERM", "dumb")  # no colours on the terminals of tests


# Each of these shares a server, a browser or parsed sources, which take long. The last test of the Admin API
# counts what was asked of the servers of its worker.
_ON_ONE_WORKER = (
    "tests/live/api/",
    "tests/live/audit/",
    "tests/live/mas/",
    "tests/live/recovery/test_accounts_elsewhere.py",
    "tests/live/recovery/test_wrong_statistics.py",
    "tests/live/test_bulk.py",
    "tests/live/test_every_version.py",
    "tests/live/test_mas.py",
    "tests/live/transfer/",
    "tests/unit/audit/report/",
    "tests/unit/test_dependencies.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread single tests over the workers, but keep those on one that share what starts slowly.

    The marker of pytest-xdist for this has no effect with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((path for path in _ON_ONE_WORKER if nodeid.startswith(path)), nodeid)

    return Scheduler(config, log)

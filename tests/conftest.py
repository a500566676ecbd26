"""Settings of all tests: a separate home directory, signals, and examples that are the same in each run."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from pathlib import Path

# A shell that starts pytest in the background ignores these signals, and the tested programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A slow example on a busy machine is not a failure, and each run must use the same examples.
hypothesis.settings.register_profile("everyday", deadline=None, derandomize=True)
# `HYPOTHESIS_PROFILE=long make test` tries more examples, and other examples in each run.
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


@pytest.fixture(autouse=True)
def _separate_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings, the profiles and the journal of the developer from the tests."""
    for name in list(os.environ):
        # SYNADMIN_TEST_… are settings of the tests, such as the number of random rooms.
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


# The tests in each of these paths share a server, a browser or parsed sources, which start slowly. The last
# test of the Admin API reads the requests to the servers of its worker.
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
    """Distribute single tests over the workers, but run tests that share a slow fixture on one worker.

    The marker ``xdist_group`` has no effect with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((path for path in _ON_ONE_WORKER if nodeid.startswith(path)), nodeid)

    return Scheduler(config, log)

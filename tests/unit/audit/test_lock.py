from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.audit.lock import UnderWayError, held
from synadmin.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_HOLD = """
import sys, time
from pathlib import Path
from synadmin.audit.lock import held
with held(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    time.sleep(60)
"""


def test_who_does_not_wait_is_told_that_another_is_under_way(tmp_path: Path) -> None:
    path = tmp_path / "audit.lock"
    refused = pytest.raises(UnderWayError, match="another audit is under way")
    with held(path, wait=False), refused, held(path, wait=False):
        pass
    with held(path, wait=False):
        pass


def test_who_waits_goes_on_when_the_other_is_done(tmp_path: Path) -> None:
    path = tmp_path / "audit.lock"
    order: list[str] = []

    def second() -> None:
        with held(path, wait=True):
            order.append("second")

    with held(path, wait=False):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_nobody_waits_longer_than_the_run_may_take(tmp_path: Path) -> None:
    path = tmp_path / "audit.lock"
    until = time.monotonic() + 0.1
    refused = pytest.raises(UnderWayError, match="the time is up")
    with held(path, wait=False), refused, held(path, wait=True, until=until):
        pass


def test_a_killed_run_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.lock"
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UnderWayError), held(path, wait=False):
            pass
        holder.kill()
    with held(path, wait=False):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be made"), held(tmp_path / "file" / "lock", wait=False):
        pass

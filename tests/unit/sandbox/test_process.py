from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


def test_running_process_has_a_start_time(
    sleeper: subprocess.Popen[bytes],
) -> None:
    assert process.started_at(os.getpid())
    assert process.started_at(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert process.started_at(sleeper.pid) is None


def test_recorded_process_is_found(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "process.json"
    process.note(path, sleeper.pid)
    assert process.noted(path) == sleeper.pid


def test_other_process_with_the_same_id_is_not_ended(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    path = tmp_path / "process.json"
    path.write_text(f'{{"pid": {sleeper.pid}, "started": "1"}}')
    assert process.noted(path) is None
    assert not process.end(path)
    assert sleeper.poll() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": "x", "started": "1"}', '{"pid": 1}'])
def test_damaged_record_names_no_process(tmp_path: Path, text: str) -> None:
    path = tmp_path / "process.json"
    path.write_text(text)
    assert process.noted(path) is None
    assert not process.end(path)
    assert not path.exists()


def test_process_is_ended_and_its_record_removed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "process.json"
    process.note(path, sleeper.pid)
    assert process.end(path)
    assert sleeper.wait() == -signal.SIGTERM
    assert not path.exists()


def test_process_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_TIMEOUT", 0.3)
    with subprocess.Popen([sys.executable, "-c", _IGNORES_SIGTERM], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        path = tmp_path / "process.json"
        process.note(path, child.pid)
        assert process.end(path)
        assert child.wait() == -signal.SIGKILL

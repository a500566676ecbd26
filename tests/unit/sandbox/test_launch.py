"""The launcher, with a fake Synapse: a program that prints its arguments and waits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import synadmin.sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LAUNCH = Path(synadmin.sandbox.__file__).with_name("launch.py")
_FAKE_SYNAPSE = """
import sqlite3, sys, time
synchronous = sqlite3.connect(":memory:").execute("PRAGMA synchronous").fetchone()[0]
print(sys.argv[1:], synchronous, flush=True)
time.sleep(60)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    package = tmp_path / "synapse" / "app"
    package.mkdir(parents=True)
    for empty in (tmp_path / "synapse" / "__init__.py", package / "__init__.py"):
        empty.touch()
    (package / "homeserver.py").write_text(_FAKE_SYNAPSE)
    children: list[subprocess.Popen[str]] = []

    def start(mode: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-P", str(_LAUNCH), mode, "-c", "homeserver.yaml"],
            env={"PYTHONPATH": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        with child:
            child.kill()


def test_synapse_gets_its_arguments_and_a_fast_database(
    launch: Callable[[str], subprocess.Popen[str]],
) -> None:
    child = launch("tethered")
    assert child.stdout is not None
    assert child.stdout.readline() == "['-c', 'homeserver.yaml'] 0\n"


def test_tethered_synapse_ends_when_standard_input_closes(
    launch: Callable[[str], subprocess.Popen[str]],
) -> None:
    child = launch("tethered")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    child.stdin.close()
    child.wait(timeout=60)


def test_detached_synapse_continues(launch: Callable[[str], subprocess.Popen[str]]) -> None:
    child = launch("free")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    child.stdin.close()
    time.sleep(0.3)
    assert child.poll() is None

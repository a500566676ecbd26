"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from synadmin.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.stub import Stub

TOKEN = "syt_c2VjcmV0_donotshowthis"


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    stdout: str
    stderr: str
    code: int

    def assert_is_one_clear_line(self, *, code: int) -> None:
        """Assert that it failed as a person and a script would want it."""
        lines = self.stderr.splitlines()
        assert self.code == code, self
        assert lines, self
        assert lines[0].startswith("synadmin: "), self
        assert len(lines) <= 2, self
        assert all(line.startswith("hint: ") for line in lines[1:]), self
        assert "Traceback" not in self.stderr
        assert self.stdout == ""


class Synadmin(Protocol):
    def __call__(self, *arguments: str, stdin: bytes = b"") -> Answer: ...


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def synadmin(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> Synadmin:
    """Run a command line in this process, without a terminal."""
    del work, naps

    def run(*arguments: str, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Answer(captured.out, captured.err, left.value.code)

    return run


@pytest.fixture
def signed_in(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The stub, as the homeserver whose token is configured."""
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", TOKEN)
    return stub


@pytest.fixture
def in_a_shell(work: Path) -> Callable[[str], Answer]:
    """Run a line of shell in which ``synadmin`` is the command line, in a process of its own."""

    def run(line: str) -> Answer:
        ended = subprocess.run(
            ["/bin/sh", "-c", f'synadmin() {{ "{sys.executable}" -m synadmin "$@"; }}; {line}'],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(ended.stdout, ended.stderr, ended.returncode)

    return run

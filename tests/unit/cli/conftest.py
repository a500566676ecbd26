"""Fixtures that run the command line in this process or in a separate process."""

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
class Result:
    """The output and the exit code of a command."""

    stdout: str
    stderr: str
    code: int

    def assert_one_line_error(self, *, code: int) -> None:
        """Assert that the command failed with one line on stderr, at most one hint, and no stdout."""
        lines = self.stderr.splitlines()
        assert self.code == code, self
        assert lines, self
        assert lines[0].startswith("synadmin: "), self
        assert len(lines) <= 2, self
        assert all(line.startswith("hint: ") for line in lines[1:]), self
        assert "Traceback" not in self.stderr
        assert self.stdout == ""


class Synadmin(Protocol):
    def __call__(self, *arguments: str, stdin: bytes = b"") -> Result: ...


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
    """Return a function that runs a command line in this process, without a terminal."""
    del work, naps

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return Result(captured.out, captured.err, exited.value.code)

    return run


@pytest.fixture
def signed_in(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The stub, configured as the homeserver, with an access token."""
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", TOKEN)
    return stub


@pytest.fixture
def in_a_shell(work: Path) -> Callable[[str], Result]:
    """Return a function that runs a shell line in a separate process; ``synadmin`` is a command in it."""

    def run(line: str) -> Result:
        process = subprocess.run(
            ["/bin/sh", "-c", f'synadmin() {{ "{sys.executable}" -m synadmin "$@"; }}; {line}'],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Result(process.stdout, process.stderr, process.returncode)

    return run

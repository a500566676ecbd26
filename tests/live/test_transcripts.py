"""Run the commands of the documentation again, and compare their output with the documentation.

Each file in ``docs/transcripts/`` is a terminal session. A line that begins with ``$`` is a command, and the
lines after it are its expected output. The commands run in bash, on a terminal of 80 columns, with a
separate home directory. A line that begins with ``#:`` names a part of the session, which a page of the
documentation shows. The last part is called ``end``. A sandbox is started before the session, unless the
session starts one itself.

``make transcripts`` writes the current output to the files and to the pages (``docs/generate.py``). Read the
diff before you commit it. To add a command, write its ``#:`` and ``$`` lines and run ``make transcripts``.
Questions get the answer in the transcript (``[y/N]: n``), or ``y`` by default. Values that differ in every
run are replaced by constants: room ids, ports, times.

The session in a file ``*.ansi`` runs on a terminal with colours: ``docs/generate.py`` draws it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import select
import subprocess
import sys
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING, Self

import pytest

from synadmin.sandbox.registry import noted_sandboxes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "docs" / "transcripts"
_TIMEOUT = 120  # seconds for one command
_END_OF_OUTPUT = "\x1e"
_SANDBOX_UP = "synadmin sandbox up"
# Reads commands from a pipe and runs them on a terminal. `$?` keeps its value between the commands.
_SHELL = r"""
exec <"$1" >"$1" 2>&1
status=0
while IFS= read -r line <&"$2"; do (exit "$status"); eval "$line"; status=$?; printf '\036'; done
"""
_QUESTION = re.compile(r"\[y/N\]: $")
_ANSWER = re.compile(r"\[y/N\]: (\w*)$")
_PASSWORD = re.compile(r"Password: $")
_ERASED = re.compile(r"[^\n]*\r\x1b\[K")  # progress messages, which are erased later
# Values that differ in every run, and their replacements. These have the same length, so tables stay aligned.
_NUMBERED = {
    re.compile(r"(?:127\.0\.0\.1|localhost)(:\d{5})\b"): ":280{:02}",
    re.compile(r"(?m)^[0-9a-f]{6}(?=  )|(?<=\dT\d{6}-)[0-9a-f]{6}\b"): "4f2a{:02}",
}
_VARYING = (
    (re.compile(r"\b20\d{6}T\d{6}(?=-)"), "20261121T093000"),
    (re.compile(r"\b(just now|\d+ minutes? ago)$", re.MULTILINE), "just now"),
    (re.compile(r"(  time\n[- ]*  )-+$", re.MULTILINE), r"\1--------"),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"), r"2026-11-21T09:30:00\1"),
    (re.compile(r"(?<=T09:30:00)\.\d+"), ".000"),
    (re.compile(r"\$[\w-]{43}"), "$" + "EventId" * 6 + "0"),
    (re.compile(r"(?<=synadmin-sandbox-)\w{8}"), "k3x9wq2d"),
    (re.compile(r"(?<=device id)( +)[A-Z]{10}\b"), r"\1QWERTYUIOP"),
    (re.compile(r"(?<=password is )[\w-]{16}"), "9uH2-tXw_kR4mEza"),
    (re.compile(r"(?<=ACCESS_TOKEN=)\S+"), "syt_YWRtaW4_kPqRsTuVwXyZaBcDeFgH_0aBcDe"),
    (re.compile(r"\b1\.\d{3}\.\d+\b"), "1.163.2"),
    (re.compile(r"\b\d+ ms\b"), "7 ms"),
)
TRANSCRIPT_FILES = sorted([*TRANSCRIPTS.glob("*.txt"), *TRANSCRIPTS.glob("*.ansi")])


def _sort_requests(lines: list[str]) -> Iterator[str]:
    """Sort consecutive lines of GET requests: some requests run at the same time, in any order."""
    for is_get, group in itertools.groupby(lines, key=lambda line: line.startswith("GET /")):
        shown = list(group)
        yield from sorted(shown) if is_get else shown


class Terminal:
    """Bash on a separate terminal. In its output, ids and ports of the sandbox are replaced by constants."""

    def __init__(self, home: Path, *, colors: bool = False) -> None:
        self._state = home / ".local" / "state" / "synadmin" / "sandbox"
        self._replacements = {str(home): "/home/you"}
        self._numbers = {pattern: itertools.count(1) for pattern in _NUMBERED}
        self._terminal, shell_side = os.openpty()
        pipe, self._commands = os.pipe()
        # Python asks for passwords on the controlling terminal: the first one that a session leader opens.
        self._shell = subprocess.Popen(
            ["bash", "-c", _SHELL, "bash", os.ttyname(shell_side), str(pipe)],  # noqa: S607 - the bash on the PATH
            cwd=home,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(home),
                "LC_ALL": "C.UTF-8",
                "TERM": "xterm-256color" if colors else "dumb",
                "TZ": "UTC",
                "COLUMNS": "80",
            },
            stdin=subprocess.DEVNULL,
            pass_fds=[pipe],
            start_new_session=True,
        )
        os.close(pipe)
        # Close this end only after bash has opened the terminal: without an open end the terminal hangs up.
        self.type("true")
        os.close(shell_side)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands)
        os.close(self._terminal)
        self._shell.kill()
        self._shell.wait()
        for sandbox in noted_sandboxes(self._state):
            sandbox.down()

    def type(self, command: str, answers: Iterable[str] = ()) -> list[str]:
        """Type a command; return the lines of its output, with varying values replaced."""
        actual = command
        for real, replacement in self._replacements.items():
            actual = actual.replace(replacement, real)
        os.write(self._commands, f"{actual}\n".encode())
        output, answers_left = "", iter(answers)
        while not output.endswith(_END_OF_OUTPUT):
            ready, _, _ = select.select([self._terminal], [], [], _TIMEOUT)
            if not ready:
                pytest.fail(f"$ {command}\n{output}\n(no more output for {_TIMEOUT} s)")
            output += os.read(self._terminal, 65536).decode(errors="surrogateescape")
            if _QUESTION.search(output):
                os.write(self._terminal, f"{next(answers_left, 'y')}\n".encode())
            elif _PASSWORD.search(output):
                (sandbox,) = noted_sandboxes(self._state)
                os.write(self._terminal, f"{sandbox.servers[0].password}\n".encode())
        text = output.removesuffix(_END_OF_OUTPUT).replace("\r\n", "\n")
        return [*_sort_requests(self._replace_varying_values(_ERASED.sub("", text)).splitlines())]

    def _replace_varying_values(self, text: str) -> str:
        for sandbox in noted_sandboxes(self._state):
            for slug, room_id in sandbox.rooms.items():
                localpart = room_id[1:].partition(":")[0]
                letters = (ascii_letters[byte % 52] for byte in hashlib.sha512(slug.encode()).digest())
                self._replacements[localpart] = "".join(letters)[: len(localpart)]
        for pattern, replacement in _NUMBERED.items():
            for real in pattern.findall(text):
                if real not in self._replacements:
                    self._replacements[real] = replacement.format(next(self._numbers[pattern]))
        for real, replacement in self._replacements.items():
            text = text.replace(real, replacement)
        for pattern, replacement in _VARYING:
            text = pattern.sub(replacement, text)
        return text


def run_session(lines: list[str], home: Path, *, colors: bool = False) -> Iterator[str]:
    """Run the commands of a transcript; yield the lines of the new transcript."""
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    with Terminal(home, colors=colors) as terminal:
        if _SANDBOX_UP not in lines[starts[0]]:
            terminal.type(f'{_SANDBOX_UP} && eval "$(synadmin sandbox env)"')
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            if start and lines[start - 1].startswith("#:"):
                yield lines[start - 1]
            yield lines[start]
            answers = [match[1] for line in lines[start:end] if (match := _ANSWER.search(line))]
            yield from terminal.type(lines[start].removeprefix("$ "), answers)
    yield "#: end"


@pytest.mark.parametrize("file", TRANSCRIPT_FILES, ids=lambda file: str(file.stem))
def test_commands_print_what_the_documentation_shows(file: Path) -> None:
    expected = file.read_text("utf-8").splitlines()
    actual = list(run_session(expected, Path(os.environ["HOME"]), colors=file.suffix == ".ansi"))
    assert not any(line.startswith("Traceback ") for line in actual), "\n".join(actual)
    if os.environ.get("SYNADMIN_TEST_REWRITE"):
        file.write_text("".join(f"{line}\n" for line in actual), "utf-8")
        return
    assert "\n".join(actual) == "\n".join(expected)

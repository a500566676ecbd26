"""What the documentation shows is what the commands print: every transcript is typed again.

A file in ``docs/transcripts/`` is one terminal session: lines that begin with ``$`` are typed into bash
on a terminal of 80 columns, in a home of its own, and the lines after them are what has to come. A line
that begins with ``#:`` names a part, for the pages to show; the last one is called ``end``. Unless the
session begins by putting a sandbox up itself, one is up and synadmin points at it.

``make transcripts`` writes down what comes now, and puts it into the pages (``docs/generate.py``). Read the
difference before you commit it. To add something, write its ``#:`` and ``$`` lines and do that. Questions
are answered as the transcript says (``[y/N]: n``), with ``y`` where it says nothing. What differs from run
to run is the same here every time: room ids, ports, times.

The session in a file ``*.ansi`` is typed on a terminal with colours: ``docs/generate.py`` draws it.
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
_DONE = "\x1e"
_UP = "synadmin sandbox up"
# Runs what it reads from the pipe on the terminal that it is given; `$?` stays what it was.
_SHELL = r"""
exec <"$1" >"$1" 2>&1
status=0
while IFS= read -r line <&"$2"; do (exit "$status"); eval "$line"; status=$?; printf '\036'; done
"""
_QUESTION = re.compile(r"\[y/N\]: $")
_ANSWER = re.compile(r"\[y/N\]: (\w*)$")
_PASSWORD = re.compile(r"Password: $")
_WIPED = re.compile(r"[^\n]*\r\x1b\[K")  # progress, while it lasted
# What differs from run to run, and what stands for it. Of the same length: tables stay in line.
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
PAGES = sorted([*TRANSCRIPTS.glob("*.txt"), *TRANSCRIPTS.glob("*.ansi")])


def _in_order(lines: list[str]) -> Iterator[str]:
    """Sort requests that are shown one after the other: some are under way at the same time."""
    for is_get, group in itertools.groupby(lines, key=lambda line: line.startswith("GET /")):
        shown = list(group)
        yield from sorted(shown) if is_get else shown


class Terminal:
    """Bash on a terminal of its own, and what stands for the ids and ports of the sandbox it reaches."""

    def __init__(self, home: Path, *, colors: bool = False) -> None:
        self._state = home / ".local" / "state" / "synadmin" / "sandbox"
        self._stands_for = {str(home): "/home/you"}
        self._numbers = {pattern: itertools.count(1) for pattern in _NUMBERED}
        self._terminal, shell_side = os.openpty()
        pipe, self._commands = os.pipe()
        # The first terminal that the leader of a session opens is its controlling one, and there Python
        # asks for a password.
        self._shell = subprocess.Popen(
            ["bash", "-c", _SHELL, "bash", os.ttyname(shell_side), str(pipe)],  # noqa: S607  anybody's bash
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
        # Not before bash has it open: a terminal that nobody holds hangs up.
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
        """Type a command; return the lines that come, with what varies replaced."""
        actual = command
        for real, stands in self._stands_for.items():
            actual = actual.replace(stands, real)
        os.write(self._commands, f"{actual}\n".encode())
        said, given = "", iter(answers)
        while not said.endswith(_DONE):
            ready, _, _ = select.select([self._terminal], [], [], _TIMEOUT)
            if not ready:
                pytest.fail(f"$ {command}\n{said}\n(and then nothing more for {_TIMEOUT} s)")
            said += os.read(self._terminal, 65536).decode(errors="surrogateescape")
            if _QUESTION.search(said):
                os.write(self._terminal, f"{next(given, 'y')}\n".encode())
            elif _PASSWORD.search(said):
                (sandbox,) = noted_sandboxes(self._state)
                os.write(self._terminal, f"{sandbox.servers[0].password}\n".encode())
        text = said.removesuffix(_DONE).replace("\r\n", "\n")
        return [*_in_order(self._in_documentation(_WIPED.sub("", text)).splitlines())]

    def _in_documentation(self, text: str) -> str:
        for sandbox in noted_sandboxes(self._state):
            for slug, room_id in sandbox.rooms.items():
                opaque = room_id[1:].partition(":")[0]
                letters = (ascii_letters[byte % 52] for byte in hashlib.sha512(slug.encode()).digest())
                self._stands_for[opaque] = "".join(letters)[: len(opaque)]
        for pattern, stands in _NUMBERED.items():
            for real in pattern.findall(text):
                if real not in self._stands_for:
                    self._stands_for[real] = stands.format(next(self._numbers[pattern]))
        for real, stands in self._stands_for.items():
            text = text.replace(real, stands)
        for pattern, stands in _VARYING:
            text = pattern.sub(stands, text)
        return text


def typed_again(lines: list[str], home: Path, *, colors: bool = False) -> Iterator[str]:
    """Type the commands of a transcript; yield its lines as they are now."""
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    with Terminal(home, colors=colors) as terminal:
        if _UP not in lines[starts[0]]:
            terminal.type(f'{_UP} && eval "$(synadmin sandbox env)"')
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            if start and lines[start - 1].startswith("#:"):
                yield lines[start - 1]
            yield lines[start]
            answers = [match[1] for line in lines[start:end] if (match := _ANSWER.search(line))]
            yield from terminal.type(lines[start].removeprefix("$ "), answers)
    yield "#: end"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_commands_print_what_the_documentation_shows(page: Path) -> None:
    written = page.read_text("utf-8").splitlines()
    now = list(typed_again(written, Path(os.environ["HOME"]), colors=page.suffix == ".ansi"))
    assert not any(line.startswith("Traceback ") for line in now), "\n".join(now)
    if os.environ.get("SYNADMIN_TEST_REWRITE"):
        page.write_text("".join(f"{line}\n" for line in now), "utf-8")
        return
    assert "\n".join(now) == "\n".join(written)

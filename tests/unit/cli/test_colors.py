"""Colours and marks: what a terminal shows, and that a pipe, NO_COLOR and TERM=dumb get none of it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli import colors
from tests.unit.stub import told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


def test_an_outcome_has_a_sign_and_a_colour_and_its_heading_is_bold() -> None:
    text = "Club: !a:example.org\n  done: bob has control.\n  warning: look\n\nhint: run it again"
    assert colors.painted(colors.marked(text)) == (
        "\x1b[1mClub: !a:example.org\x1b[0m\n  \x1b[32m\x1b[1m✔ done\x1b[0m: bob has control.\n"
        "  \x1b[33m\x1b[1mwarning:\x1b[0m look\n\n\x1b[36m\x1b[1mhint:\x1b[0m run it again"
    )


def test_words_in_a_sentence_or_a_name_are_left_alone() -> None:
    text = "done: yes, failed, refused by @done:example.org"
    assert colors.painted(colors.marked(text)) == text


def test_a_finding_has_its_severity_in_colour() -> None:
    assert colors.painted("error: lost: Club\n    No admin.").startswith("\x1b[31m\x1b[1merror:\x1b[0m lost")


@pytest.mark.parametrize(
    ("env", "options", "is_colored"),
    [
        ({"TERM": "xterm"}, [], True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "xterm"}, ["--color", "never"], False),
        ({"TERM": "dumb"}, ["--color", "always"], True),
    ],
)
def test_a_terminal_has_colours_unless_it_asks_for_none(
    env: dict[str, str], options: list[str], *, is_colored: bool
) -> None:
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-m", "synadmin", *options, "audit", "rules", "--columns", "rule"]
        kept = {name: text for name, text in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
        subprocess.run(command, stdout=theirs, env=kept | env, check=True, timeout=120)
        os.close(theirs)
        theirs = -1
        shown = b""
        while piece := _read(ours):
            shown += piece
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
    assert (b"\x1b[1m" in shown) == is_colored


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed, and all is read
        return b""


def test_a_pipe_has_colours_only_where_it_asks_for_them(synadmin: Synadmin, signed_in: Stub) -> None:
    signed_in.on("*", told({"name": "@bob:example.org", "locked": False, "suspended": False}))
    command = ("user", "suspend", "bob", "--dry-run")
    assert "\x1b" not in synadmin(*command).stdout
    assert "\x1b[34m\x1b[1m● planned\x1b[0m" in synadmin(*command, "--color", "always").stdout
    # Scripts read these.
    assert "\x1b" not in synadmin(*command, "--color", "always", "-o", "json").stdout

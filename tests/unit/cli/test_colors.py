"""Colours and marks: a terminal shows them; a pipe, NO_COLOR and TERM=dumb do not."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from synadmin.cli import colors
from synadmin.cli.invocation import Invocation, wrapped
from synadmin.columns import Column
from synadmin.tables import as_text, record_as_text
from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.fixture
def colored() -> Iterator[None]:
    """Colours everywhere, as with ``--color always``."""
    with click.Context(click.Command("synadmin"), obj=Invocation(color="always")).scope():
        yield


@pytest.mark.usefixtures("colored")
def test_outcome_has_a_mark_and_a_colour() -> None:
    text = "Club: !a:example.org\n  done: bob has control.\n  warning: look\n\nhint: run it again"
    assert wrapped(text, None, has_heading=True) == (
        "\x1b[1mClub: !a:example.org\x1b[0m\n  \x1b[32m\x1b[1m✔ done\x1b[0m: bob has control.\n"
        "  \x1b[33m\x1b[1mwarning:\x1b[0m look\n\n\x1b[36m\x1b[1mhint:\x1b[0m run it again"
    )


@pytest.mark.usefixtures("colored")
def test_words_in_sentences_and_names_have_no_colour() -> None:
    text = "done: yes, failed, refused by @done:example.org"
    assert wrapped(text, None) == text


@pytest.mark.usefixtures("colored")
@pytest.mark.parametrize(
    "name", ["  done: x", "warning: all is well", "✔ done", "  ✔ done: x", "a  ✔ done: x"]
)
def test_room_name_cannot_look_like_an_outcome(name: str) -> None:
    assert wrapped(f"{name}: !a:example.org\n  refused: no", None, has_heading=True) == (
        f"\x1b[1m{name}: !a:example.org\x1b[0m\n  \x1b[33m\x1b[1m✖ refused\x1b[0m: no"
    )
    columns = (Column("name"), Column("outcome"))
    record = {"name": name, "outcome": "refused"}
    for text in (
        as_text([colors.with_marks(record)], columns, style=colors.cell),
        record_as_text(colors.with_marks(record), columns, style=colors.cell),
    ):
        assert name.strip() in text.replace("\x1b[33m\x1b[1m✖ refused\x1b[0m", "")
        assert "\x1b[32m" not in text
        assert text.count("\x1b[33m") == 1


def test_wrapped_line_continues_without_colour(work: Path) -> None:
    name = f"{'x' * 79} ✔ done: z"
    code = (
        "import sys; from synadmin.cli.invocation import Invocation, print_block;"
        f"Invocation(color='always').warn({name!r}); print_block('a\\n  failed: ' + {name!r})"
    )
    with Terminal("-c", code, cwd=work, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"}) as terminal:
        assert terminal.end() == 0
    assert "✔ done" in terminal.shown
    assert "\n  ✔ done" in terminal.shown.replace("\r", "")
    assert "\x1b[32m" not in terminal.shown
    # Only the heading and the outcome of a block are bold.
    assert terminal.shown.count("\x1b[1m") == 2


@pytest.mark.usefixtures("colored")
def test_severity_of_a_finding_has_a_colour() -> None:
    text = wrapped("error: lost: Club\n    No admin.", None)
    assert text == "\x1b[31m\x1b[1merror:\x1b[0m lost: Club\n    No admin."


def test_coloured_table_equals_the_plain_one() -> None:
    columns = (Column("name", title="a long title"), Column("n", right=True))
    records = [{"name": "漕艇部長", "n": 5}, {"name": "a " * 30, "n": 12}]
    text = as_text(records, columns, width=30, style=colors.cell)
    assert click.unstyle(text) == as_text(records, columns, width=30)
    assert text.startswith("\x1b[1ma long title\x1b[0m")


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
def test_terminal_has_colours_unless_disabled(
    env: dict[str, str], options: list[str], *, is_colored: bool
) -> None:
    controller, terminal_fd = os.openpty()
    try:
        command = [sys.executable, "-m", "synadmin", *options, "audit", "rules", "--columns", "rule"]
        environment = {name: text for name, text in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
        subprocess.run(command, stdout=terminal_fd, env=environment | env, check=True, timeout=120)
        os.close(terminal_fd)
        terminal_fd = -1
        shown = b""
        while piece := _read(controller):
            shown += piece
    finally:
        os.close(controller)
        if terminal_fd >= 0:
            os.close(terminal_fd)
    assert (b"\x1b[1m" in shown) == is_colored


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the program has closed the terminal, and all output is read
        return b""


def test_pipe_has_colours_only_on_request(
    synadmin: Synadmin, signed_in: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    signed_in.on("*", json_reply({"name": "@bob:example.org", "locked": False, "suspended": False}))
    command = ("user", "suspend", "bob", "--dry-run")
    assert "\x1b" not in synadmin(*command).stdout
    assert "\x1b[34m\x1b[1m● planned\x1b[0m" in synadmin(*command, "--color", "always").stdout
    # JSON is for scripts.
    assert "\x1b" not in synadmin(*command, "--color", "always", "-o", "json").stdout

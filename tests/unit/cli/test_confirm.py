"""Questions are asked on a terminal; without a terminal, the command is refused."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from synadmin.cli.confirm import Declined, PlannedRoom, confirm, confirm_plan
from synadmin.cli.invocation import Invocation
from synadmin.errors import UsageError
from synadmin.text import width
from tests.unit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG_ID = "!U_ecmIUMBlp30VAnti2ylI6WLpnfQZasf0B_7_KBPNk"
# Commands that ask a question, and print on stdout what they did.
_COMMAND = """
import click, sys
from synadmin.cli import app, lazy
from synadmin.cli.confirm import change_options, confirm, confirm_by_name
from synadmin.cli.invocation import pass_invocation

@app.app.command(cls=lazy.Command)
@change_options
@pass_invocation
def burn(invocation, *, yes, dry_run):
    confirm(invocation, "Burn it?", yes=yes)
    click.echo("burnt")

@app.app.command(cls=lazy.Command)
@change_options
@pass_invocation
def raze(invocation, *, yes, dry_run):
    confirm_by_name(invocation, "house", "It will be razed.", given=None, dry_run=dry_run)
    click.echo("razed")

app.main(sys.argv[1:])
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "burn.py"
    path.write_text(_COMMAND)
    return str(path)


def test_question_without_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="nothing was changed: there is no terminal to ask on") as caught:
        confirm(Invocation(), "Burn it?", yes=False)
    assert caught.value.hint == "--yes answers the question beforehand, --dry-run shows the plan"


def test_yes_answers_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    confirm(Invocation(), "Burn it?", yes=True)


def test_refusal_without_yes_is_one_line_and_exits_2(program: str, tmp_path: Path) -> None:
    for yes, stdout, code in (([], "", 2), (["--yes"], "burnt\n", 0)):
        process = subprocess.run(
            [sys.executable, program, "burn", *yes],
            cwd=tmp_path,
            input="y\n",  # a yes from a pipe is not an answer
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (process.stdout, process.returncode) == (stdout, code)
        assert len(process.stderr.splitlines()) == (2 if code else 0)


@pytest.mark.parametrize(
    ("keys", "code", "output"),
    [
        ("y\n", 0, "burnt"),
        ("yes\n", 0, "burnt"),
        ("n\n", 2, "nothing was changed: the answer was no"),
        ("\n", 2, "nothing was changed: the answer was no"),
        ("what\nn\n", 2, "nothing was changed: the answer was no"),
        ("what\nhm\n", 2, "nothing was changed: the answer was no"),
        ("what\ny\n", 0, "burnt"),
        ("q\n", 2, "nothing was changed: the answer was no"),
        ("Q\n", 2, "nothing was changed: the answer was no"),
        ("\x04", 2, "\r\nsynadmin: nothing was changed: the answer was no"),
    ],
    ids=[
        "y",
        "yes",
        "n",
        "return",
        "something else and no",
        "something else twice",
        "something else and yes",
        "q",
        "Q",
        "Ctrl-D",
    ],
)
def test_only_y_or_yes_is_a_yes(keys: str, code: int, output: str, program: str, tmp_path: Path) -> None:
    with Terminal(program, "burn", cwd=tmp_path) as terminal:
        terminal.see("Burn it? [y/N]:")
        terminal.type(keys)
        assert terminal.end() == code
        assert output in terminal.shown
        assert ("burnt" in terminal.shown) is (code == 0)
        assert "Traceback" not in terminal.shown


def test_ctrl_c_at_a_question_ends_the_command(program: str, tmp_path: Path) -> None:
    with Terminal(program, "burn", cwd=tmp_path) as terminal:
        terminal.see("Burn it? [y/N]:")
        assert terminal.interrupt() == 130
        assert "\r\nsynadmin: interrupted: nothing was changed" in terminal.shown
        assert "burnt" not in terminal.shown


@pytest.mark.parametrize(
    ("keys", "code", "output"),
    [
        ("house\n", 0, "razed"),
        ("hose\n", 5, "synadmin: nothing was changed: 'hose' was typed, not house"),
        ("\n", 2, "synadmin: nothing was changed: the answer was no"),
        ("\x04", 2, "\r\nsynadmin: nothing was changed: the answer was no"),
    ],
    ids=["name", "typo", "return", "Ctrl-D"],
)
def test_confirmation_by_name_asks_once(
    keys: str, code: int, output: str, program: str, tmp_path: Path
) -> None:
    with Terminal(program, "raze", cwd=tmp_path) as terminal:
        terminal.see("To continue, type house:")
        terminal.type(keys)
        assert terminal.end() == code
        assert output in terminal.shown
        assert terminal.shown.count("type house") == 1
        assert "Error:" not in terminal.shown


@pytest.mark.parametrize(
    ("name", "note", "line"),
    [
        (None, "2 steps", f"  planned: {LONG_ID}: 2 steps"),
        ("Chess", "2 steps", f"  planned: {LONG_ID} (Chess): 2 steps"),
        ("The chess club of the town", "2 steps", f"  planned: {LONG_ID} (The chess cl…): 2 steps"),
        ("Chess", "The room is blocked.", f"  planned: {LONG_ID} (Chess): The room is bl…"),
        ("\n\x1b[2J", "2 steps", rf"  planned: {LONG_ID} (\n\x1b[2J): 2 steps"),
        ("\N{CJK UNIFIED IDEOGRAPH-68CB}" * 40, "2 steps", None),
    ],
)
def test_line_of_a_plan_has_the_complete_id(name: str | None, note: str, line: str | None) -> None:
    shown = PlannedRoom(LONG_ID, name, "planned", note, "").line(80)
    assert width(shown) <= 80
    assert LONG_ID in shown
    assert line in {None, shown}


def test_question_is_not_in_the_result(program: str, tmp_path: Path) -> None:
    with (
        (tmp_path / "out").open("wb") as out,
        Terminal(program, "burn", cwd=tmp_path, stdout=out.fileno()) as terminal,
    ):
        terminal.see("Burn it? [y/N]:")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert (tmp_path / "out").read_text() == "burnt\n"


def test_yes_asks_no_question(program: str, tmp_path: Path) -> None:
    with Terminal(program, "burn", "-y", cwd=tmp_path) as terminal:
        assert terminal.end() == 0
        assert "Burn it?" not in terminal.shown


def test_answer_no_is_not_a_failure() -> None:
    assert issubclass(Declined, UsageError)


@pytest.mark.parametrize("views", [True, False])
def test_view_shows_the_steps_of_a_long_plan(monkeypatch: pytest.MonkeyPatch, views: bool) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: (80, 10))
    output: list[str] = []

    def ask(_: str, view: Callable[[], None] | None) -> bool:
        assert view is not None
        if views:
            view()
        return True

    invocation = SimpleNamespace(on_terminal=True, warn=lambda text, **_: output.append(text), ask=ask)
    plan = [
        PlannedRoom(f"!{number}", None, "planned", "1 step", f"steps of {number}") for number in range(20)
    ]
    assert confirm_plan(cast("Any", invocation), plan, "Continue?") is views
    assert ("steps of 19" in output) is views

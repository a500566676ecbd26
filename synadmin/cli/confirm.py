"""Questions before a change, and the options that answer them."""

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from synadmin.cli.invocation import Invocation, with_options, wrapped
from synadmin.errors import RefusedError, UsageError
from synadmin.text import cut, safe_text, width

F = TypeVar("F", bound=Callable[..., Any])

_DECLINED = "nothing was changed: the answer was no"
_SHORT_NOTE = 12  # the least columns for the name, and for the note after it
_FEWEST_ROOMS = 5  # the least rooms of a long plan that a small screen shows
_LONGEST_REASON = 1000  # characters: an event has at most 65,536 bytes, and a client shows one or two lines


def _keep_reason(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Store the reason for the journal and for membership events."""
    if value is None:
        return
    if not value.strip():
        raise UsageError("--reason is empty: say why, or leave it out")
    if len(value) > _LONGEST_REASON:
        raise UsageError(f"--reason is too long: {len(value)} characters, {_LONGEST_REASON} at most")
    context.ensure_object(Invocation).reason = value


_ASK_OPTIONS = (
    click.Option(["--dry-run"], is_flag=True, help="Show what would be done, and change nothing."),
    click.Option(["-y", "--yes"], is_flag=True, help="Do not ask."),
)
CHANGE_OPTIONS = (
    click.Option(
        ["--reason"],
        metavar="TEXT",
        help="Keep this reason in the journal and in membership events.",
        callback=_keep_reason,
        expose_value=False,
    ),
    *_ASK_OPTIONS,
)
"""The options of each command that changes something. --reason is not passed to the command's function."""


def allow_option(help_: str, *, reactivate: bool = False) -> Callable[[F], F]:
    """Add the option ``--allow impersonate`` to a command, also with ``reactivate`` where it is useful."""
    reaches = ["impersonate", "reactivate"] if reactivate else ["impersonate"]
    return click.option("--allow", type=click.Choice(reaches), help=help_)


ALLOW = allow_option(
    "What it may do beyond your own token: act as other local users for a short time; also reactivate "
    "deactivated and suspended accounts for a short time.",
    reactivate=True,
)
SAVE_PLAN = click.option(
    "--save-plan", metavar="FILE", help="Save the plan for `synadmin apply`, and change nothing."
)
LEAVE_ROOMS = click.option(
    "--leave-rooms", is_flag=True, help="Continue even if no local user keeps control of a room."
)


change_options = with_options(*CHANGE_OPTIONS)
profile_options = with_options(*_ASK_OPTIONS)


def announce_option(whom: str) -> Callable[[F], F]:
    """Add the option ``--announce`` to a command.

    Args:
        whom: the sender, for the help.
    """
    help_ = f"When done, send this message to the room as {whom}."
    return click.option("--announce", metavar="TEXT", help=help_)


class PlannedRoom(NamedTuple):
    """A room in a plan.

    Attributes:
        room: its id, or the given name where the id is not known.
        outcome: ``planned``, or another outcome such as ``refused``.
        note: a short text: the number of steps, or the reason of the refusal.
        text: the full text, with a heading and a line for each step.
        has_warnings: whether the text has warnings.
    """

    room: str
    name: str | None
    outcome: str
    note: str
    text: str
    has_warnings: bool = False

    def line(self, columns: int) -> str:
        """Return one line with the complete id; the name and the note are cut to fit."""
        start = f"  {self.outcome}: {safe_text(self.room)}"
        room_for_name = columns - width(start) - min(width(self.note), _SHORT_NOTE) - len(" (): ")
        name = cut(safe_text(self.name or ""), max(room_for_name, _SHORT_NOTE))
        return cut(f"{start}{f' ({name})' if name else ''}: {safe_text(self.note)}", columns)


def confirm_plan(
    invocation: Invocation, plan: Sequence[PlannedRoom], question: str, *, notes: Sequence[str] = ()
) -> bool:
    """Show the plan of rooms and ask whether to continue.

    A plan that is longer than the screen is shown with one line for each room, as many as fit. ``v`` shows
    the whole plan.

    Args:
        plan: the rooms, in the order in which they are shown.
        notes: texts between the rooms and the question.

    Returns:
        Whether the steps were shown.

    Raises:
        UsageError: no person can answer.
        Declined: the answer is no.
        Abort: Ctrl-C was pressed.
    """
    steps_shown = False

    def show_steps() -> None:
        nonlocal steps_shown
        steps_shown = True
        for number, room in enumerate(plan):
            invocation.warn(room.text, has_heading=True, first=not number)

    import shutil

    columns, lines = shutil.get_terminal_size()
    free = lines - _lines_of(*notes, question) - 2
    is_short = (
        len(plan) <= 1 or not invocation.on_terminal or _lines_of(*(room.text for room in plan)) <= free
    )
    if is_short:
        show_steps()
    else:
        number = len(plan) if len(plan) <= free else max(free - 1, _FEWEST_ROOMS)
        shown = [room.line(columns) for room in plan[:number]]
        more = [f"  and {len(plan) - number} more"] if number < len(plan) else []
        invocation.warn("\n".join([*shown, *more]))
        if warnings := sum(room.has_warnings for room in plan):
            invocation.warn(f"warning: rooms with warnings: {warnings}. Type v to see them.")
    for note in notes:
        invocation.warn(note)
    confirm(invocation, question, yes=False, view=None if is_short else show_steps)
    return steps_shown


def _lines_of(*texts: str) -> int:
    """Return how many lines texts take on the screen."""
    return sum(wrapped(text, sys.stderr).count("\n") + 1 for text in texts)


def confirm(
    invocation: Invocation, question: str, *, yes: bool, view: Callable[[], None] | None = None
) -> None:
    """Ask whether to continue. ``q``, the end of the input and a second unclear answer mean no.

    Args:
        yes: ``--yes`` was given: do not ask.
        view: shows the details when ``v`` is typed.

    Raises:
        UsageError: no person can answer, and ``--yes`` was not given.
        Declined: the answer is no.
        Abort: Ctrl-C was pressed.
    """
    if yes:
        return
    if not invocation.on_terminal:
        message = f"nothing was changed: there is no terminal to ask on: {question}"
        raise UsageError(message, hint="--yes answers the question beforehand, --dry-run shows the plan")
    if not invocation.ask(question, view):
        raise Declined(_DECLINED)


class Declined(UsageError):  # noqa: N818  not an error
    """The user answered a question with no."""


def confirm_by_name(invocation: Invocation, name: str, why: str, *, given: str | None, dry_run: bool) -> None:
    """Ask for a name before a change that cannot be undone.

    Args:
        name: the text to type.
        why: the consequence, as a sentence.
        given: the value of ``--confirm``.
        dry_run: do not ask; refuse where the name is missing.

    Raises:
        RefusedError: the name was not given, or another text was typed.
        Declined: nothing was typed.
        Abort: Ctrl-C was pressed.
    """
    if given is None and invocation.on_terminal and not dry_run:
        given = invocation.ask_text(f"{why}\nTo continue, type {name}:")
        if not given:
            raise Declined(_DECLINED)
        if given != name:
            raise RefusedError(f"nothing was changed: {given!a} was typed, not {name}")
    if given != name:
        message = f"nothing was changed: {why[0].lower()}{why[1:].rstrip('.')}"
        raise RefusedError(message, hint=f"if you want this, add --confirm {shlex.quote(name)}")

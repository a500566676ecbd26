"""Changing one thing or many: rehearse, ask, act, read back, and an outcome for each.

Every command that changes something goes through :func:`change`, so that they all look alike: the same
``--dry-run``, the same question, the same outcomes and exit codes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.app import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PARTLY, exit_code
from synadmin.cli.bulk import progress
from synadmin.cli.confirm import confirm
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.errors import (
    ConnectError,
    JournalError,
    NotAuthenticatedError,
    RefusedError,
    SynadminError,
)

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.render import Column

Act = Callable[[str], Mapping[str, Any]]


class NotAsAskedError(SynadminError):
    """The server said yes, but what was read back is not what was asked for."""


class StillUnderWayError(SynadminError):
    """The server has begun; it goes on by itself."""


@dataclass
class _Ended:
    """How the work went: an exit code for each thing, and what ended it before all of them had a turn."""

    codes: list[int] = field(default_factory=list)
    early: BaseException | None = None


def change(
    invocation: Invocation,
    synapse: "Synapse",
    things: Sequence[str],
    act: Act,
    *,
    what: str,
    question: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
    columns: "Sequence[Column]" = (),
) -> int:
    """Change things, one after the other, and print what became of each.

    Args:
        invocation: the invocation.
        synapse: the server.
        things: ids, checked already.
        act: changes one of them, reads back, and returns what to tell about it (never secrets that
            nobody asked for). It raises a SynadminError where that did not succeed.
        what: what a thing is called in the outcome: ``user_id``, ``room_id``.
        question: what will happen and to how much, as a question; None where it needs none.
        dry_run: show the requests and send none that changes anything.
        yes: do not ask.
        output: how to print.
        columns: what ``act`` returns that a table shows, beside the thing and its outcome.

    Returns:
        The exit code.

    Raises:
        SynadminError: the one thing there was could not be changed, or the journal or the token ended
            all of it; what was done before is printed then.
    """
    if dry_run:
        synapse.transport.rehearsal = True
        output.write(_rehearsed(things, act, what), _rehearsal_columns(what))
        invocation.say("Nothing was changed: --dry-run.")
        return EXIT_DONE
    if question is not None:
        confirm(invocation, question, yes=yes)
    ended = _Ended()
    try:
        output.write(_outcomes(invocation, things, act, what, ended), _columns(what, columns))
    except KeyboardInterrupt as interruption:
        # Between two of them, while one was being printed.
        ended.early = interruption
    codes = ended.codes
    if len(things) > 1:
        failed = sum(1 for code in codes if code != EXIT_DONE)
        left = len(things) - len(codes)
        untouched = f", {left} not begun" if left else ""
        invocation.say(f"{len(things)} altogether: {len(codes) - failed} done, {failed} not{untouched}.")
    if ended.early is not None:
        raise ended.early
    return _exit_code(codes)


def _outcomes(
    invocation: Invocation,
    things: Sequence[str],
    act: Act,
    what: str,
    ended: "_Ended",
) -> Iterator[dict[str, Any]]:
    for thing in progress(invocation, things, total=len(things), what="done"):
        try:
            told = act(thing)
        except KeyboardInterrupt as interruption:
            if len(things) == 1:
                raise
            # A table is printed at the end: what was done before has to be told all the same.
            ended.codes.append(EXIT_INTERRUPTED)
            ended.early = interruption
            message = "interrupted in the middle of it"
            yield {what: thing, "outcome": "unknown", "message": message, "errcode": None}
            return
        except SynadminError as error:
            ends_all = isinstance(error, JournalError | NotAuthenticatedError)
            if len(things) == 1 or (ends_all and not ended.codes):
                raise
            ended.codes.append(exit_code(error))
            yield {
                what: thing,
                "outcome": _outcome_of(error),
                "message": str(error),
                "errcode": getattr(error, "errcode", None),
            }
            if ends_all:
                ended.early = error
                return
        else:
            ended.codes.append(EXIT_DONE)
            yield {what: thing, "outcome": "done", "message": None, "errcode": None, **told}


def _outcome_of(error: SynadminError) -> str:
    if isinstance(error, RefusedError):
        return "refused"
    if isinstance(error, StillUnderWayError):
        return "pending"
    if isinstance(error, ConnectError) and error.sent:
        return "unknown"
    return "failed"


def _exit_code(codes: list[int]) -> int:
    kinds = set(codes)
    if len(kinds) == 1:
        return kinds.pop()
    if EXIT_DONE in kinds:
        return EXIT_PARTLY
    return EXIT_FAILED


def _columns(what: str, columns: "Sequence[Column]") -> "list[Column]":
    from synadmin.render import Column

    return [
        Column(what, title=what.removesuffix("_id").replace("_", " "), whole=True),
        Column("outcome"),
        *columns,
        Column("message"),
        Column("errcode", shown=False),
    ]


def _rehearsed(things: Sequence[str], act: Act, what: str) -> Iterator[dict[str, Any]]:
    from synadmin.http.transport import Rehearsed
    from synadmin.journal import without_secrets

    for thing in things:
        try:
            told = act(thing)
        except Rehearsed as request:
            yield {
                what: thing,
                "outcome": "planned",
                "method": request.method,
                "path": request.path,
                "body": without_secrets(request.body),
            }
        except (JournalError, NotAuthenticatedError):
            raise
        except SynadminError as error:
            if len(things) == 1:
                raise
            yield {what: thing, "outcome": _outcome_of(error), "message": str(error)}
        else:
            yield {what: thing, "outcome": "done", "message": "nothing would be changed", **told}


def _rehearsal_columns(what: str) -> "list[Column]":
    from synadmin.render import Column

    return [
        Column(what, title=what.removesuffix("_id").replace("_", " "), whole=True),
        Column("outcome"),
        Column("method"),
        Column("path"),
        Column("body"),
        Column("message"),
    ]


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 room``, ``3 rooms``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def typed_name(invocation: Invocation, name: str, why: str, *, given: str | None) -> None:
    """Ask for a name to be typed before something that cannot be made good again.

    Args:
        invocation: the invocation.
        name: what has to be typed.
        why: what will happen.
        given: what ``--confirm`` said already.

    Raises:
        RefusedError: it was not typed.
    """
    if given is None and invocation.on_terminal:
        given = click.prompt(f"{why} To go on, type {name}", err=True)
    if given != name:
        message = f"nothing was changed: {why[0].lower()}{why[1:].rstrip('.')}"
        raise RefusedError(message, hint=f"if that is meant, say so with --confirm {name}")

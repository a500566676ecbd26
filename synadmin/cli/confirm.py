"""Asking before something is changed."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from synadmin.cli.invocation import Invocation
from synadmin.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def change_options(function: F) -> F:
    """Give a command that changes something ``--dry-run`` and ``--yes``."""
    function = click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)
    return click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")(function)


def confirm(invocation: Invocation, question: str, *, yes: bool) -> None:
    """Ask whether to go on.

    Raises:
        UsageError: nobody is there to answer, and ``--yes`` was not given.
        Declined: the answer is no.
        Abort: Ctrl-C or Ctrl-D was pressed.
    """
    if yes:
        return
    if not invocation.on_terminal:
        message = f"nothing was changed: there is no terminal to ask on: {question}"
        raise UsageError(message, hint="--yes answers the question beforehand, --dry-run shows the plan")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the cursor still stands behind the question
        message = "nothing was changed"
        raise click.Abort(message) from None
    if not agreed:
        message = "nothing was changed: the answer was no"
        raise Declined(message)


class Declined(UsageError):  # noqa: N818  not an error of anybody
    """The person said no."""

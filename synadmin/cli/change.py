"""What the commands use that are not declared with :mod:`synadmin.cli.verbs` yet."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synadmin.cli.confirm import confirm_by_name
from synadmin.cli.invocation import Invocation
from synadmin.cli.outcomes import Act, NotAsAskedError, StillUnderWayError, Work, carry_out
from synadmin.cli.output import Output
from synadmin.cli.targets import ROOMS, USERS, Kind, Targets, counted

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.columns import Column

__all__ = ["Act", "NotAsAskedError", "StillUnderWayError", "change", "counted", "typed_name"]

_KINDS = {kind.field: kind for kind in (USERS, ROOMS)}


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
    """Change targets, one after the other, and print what became of each; return the exit code."""
    kind = _KINDS.get(what, Kind("target", what, ""))
    work = Work(
        kind,
        Targets(list(things)),
        act,
        question=None if question is None else lambda _: question,
        columns=columns,
    )
    return carry_out(invocation, synapse, work, dry_run=dry_run, yes=yes, output=output)


def typed_name(
    invocation: Invocation, name: str, why: str, *, given: str | None, dry_run: bool = False
) -> None:
    """Have a name typed; see :func:`confirm_by_name`."""
    confirm_by_name(invocation, name, why, given=given, dry_run=dry_run)

"""``synadmin journal resume``: continue a run that was interrupted."""

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from synadmin.cli.again import run_again
from synadmin.cli.confirm import change_options
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.journal.runs import find_run, open_journal, require_ended
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.errors import UsageError
from synadmin.text import option_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.recovery.temporary_changes import Revert

_RUN_AGAIN = "run its command again; `synadmin journal show` shows what was done"
_HOW_TO_GO_ON = {
    "user create": "`synadmin user show USER` shows whether the account exists. Then run the command again, "
    "with --modify if it does",
    "user password": "run the command again: it sets the password once more",
    "user login": "run the command again, if you still need the token. The journal does not keep tokens",
    "registration-token create": "`synadmin registration-token list` shows whether the token exists. "
    "If it does not, run the command again",
    "registration-token update": "run the command again: it sets the same values",
    "registration-token delete": "`synadmin registration-token list` shows whether the token still exists. "
    "If it does, run the command again",
    "room join": "run the command again: users who are in the room stay there",
}
"""Hints for runs with a command line that has secrets, or cannot be repeated unchanged."""


@click.command(cls=Command)
@click.argument("run")
@change_options
@output_options
@pass_invocation
def resume(invocation: Invocation, run: str, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Continue a run that was interrupted.

    The last run is called `last`. First the run's temporary changes are reverted. Then its command runs again
    for the remaining targets; nothing is done twice. You are not asked again: you agreed when the run began.
    A run that has ended is not repeated.

    \b
    Examples:
        synadmin journal resume last --dry-run
        synadmin journal resume last
        synadmin journal resume 20261120T221507-4f2a9c -o json
    """
    from synadmin.recovery.temporary_changes import abandoned
    from synadmin.recovery.workspace import revert_crashed_runs

    del yes  # there is no question
    with open_journal(invocation) as store:
        record = find_run(store, run)
        chain = store.chain(record)
        reasons = (entry.get("reason") for past in chain for entry in store.entries(run=past.run, limit=1))
        reason = invocation.reason or next((text for text in reasons if text), None)
    left: Sequence[Revert] = ()
    with invocation.synapse() as synapse:
        require_ended(invocation, synapse, record)
        if dry_run:
            for earlier, revert in abandoned(synapse, invocation.journal):
                invocation.warn(f"The run {earlier} ended before it could revert this: {revert}")
        else:
            invocation.journal.links["resumes"] = record.run
            left = revert_crashed_runs(synapse, invocation.journal, invocation.warn)
    if left:
        invocation.warn(f"hint: {_open_reverts_hint(left)}.")
    arguments = next((list(past.arguments) for past in chain if past.arguments is not None), None)
    if record.is_finished or arguments == []:
        output.write([], [])
        if not left:
            invocation.say(f"The run {record.run} has ended: there is nothing to do.")
        return EXIT_FAILED if left else EXIT_DONE
    if arguments is None:
        message = f"the run {record.run} ({record.command}) cannot be resumed automatically"
        raise UsageError(message, hint=_HOW_TO_GO_ON.get(record.command or "", _RUN_AGAIN))
    invocation.say(f"Continuing: synadmin {shlex.join(arguments)}")
    if invocation.on_terminal and "--yes" in arguments and not dry_run:
        invocation.say("synadmin does not ask again: you agreed when the run began.")
    again = replace(invocation, resumes=record.run, reason=reason)
    code = run_again(again, arguments, output, *option_words(dry_run=dry_run))
    if not dry_run and code in {EXIT_DONE, EXIT_REFUSED}:
        invocation.journal.conclude([past.run for past in chain], code)
    return EXIT_FAILED if left and code == EXIT_DONE else code


def _open_reverts_hint(left: "Sequence[Revert]") -> str:
    """Return the hint for temporary changes that are still open."""
    if all(revert.token is not None for revert in left):
        return (
            "run `synadmin journal resume last` after that time: the journal keeps the token open until then"
        )
    return "`synadmin journal resume last` tries again"

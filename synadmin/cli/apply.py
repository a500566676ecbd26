"""``synadmin apply``: apply a saved plan."""

from dataclasses import replace
from pathlib import Path

import click

from synadmin.cli.again import run_again
from synadmin.cli.confirm import change_options
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.saved_plan import SavedPlan
from synadmin.columns import relative_time
from synadmin.errors import RefusedError, UsageError
from synadmin.ids import server_name_of
from synadmin.text import option_words

_COMMANDS = (["room", "make-admin"], ["user", "offboard"], ["control", "apply"])
_NOT_IN_PLANS = frozenset({"profile", "env_file", "homeserver", "yes", "save_plan"})
"""Options that a plan must not contain: a file must not choose the server that gets the token."""


@click.command(cls=Command)
@click.argument("file", metavar="FILE")
@change_options
@output_options
@pass_invocation
def apply(invocation: Invocation, file: str, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Apply a plan that was saved with --save-plan.

    Shows the plan and asks, like the command that made it. A room or an account is refused if it has changed
    since, or if your account would need other steps. The others are done.

    \b
    Examples:
        synadmin room make-admin --from lost.txt --save-plan lost.json
        synadmin control plan control.toml --save-plan plan.json
        synadmin apply lost.json --dry-run
        synadmin apply lost.json --reason 'approved by the board'

    Exit codes: those of the command that made the plan; 5 where everything has changed.
    """
    plan = SavedPlan.read(Path(file))
    if plan.command[:2] not in _COMMANDS:
        message = f"{file} is a plan for `synadmin {' '.join(plan.command[:2])}`, which cannot be applied"
        raise UsageError(message)
    _require_own_options(plan, file)
    _require_server(invocation, plan)
    made_at = relative_time(plan.made_at) if invocation.on_terminal else plan.made_at
    invocation.say(f"The plan was made {made_at}, by {plan.made_by}.")
    again = replace(invocation, reason=invocation.reason or plan.reason, plan=plan)
    return run_again(again, plan.command, output, *option_words(dry_run=dry_run, yes=yes))


def _require_own_options(plan: SavedPlan, file: str) -> None:
    """Refuse a command line with options that are for the person who applies the plan."""
    context = click.get_current_context().find_root()
    command = context.command
    for name in plan.command[:2]:
        inner = command.get_command(context, name) if isinstance(command, click.Group) else None
        command = inner or command
    given, _, _ = command.make_parser(click.Context(command)).parse_args(plan.command[2:])
    refused = [
        option.opts[-1]
        for option in command.get_params(context)
        if option.name in _NOT_IN_PLANS and option.name in given
    ]
    if refused:
        raise UsageError(
            f"{file}: the command line of a plan cannot have {', '.join(refused)}",
            hint="the person who applies a plan gives such options to `synadmin apply`",
        )


def _require_server(invocation: Invocation, plan: SavedPlan) -> None:
    with invocation.synapse() as synapse:
        here = server_name_of(synapse.owner)
    if here != plan.server_name:
        message = f"the plan is for {plan.server_name}, and this is {here}"
        raise RefusedError(message, hint="--profile, or --homeserver, chooses the server")

"""``synadmin task``: work that the server has put off, or has under way."""

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import ANY_TIME

# Repeated from synadmin.api.tasks, which is not loaded for --help; a test compares them.
STATUSES = ("scheduled", "active", "complete", "cancelled", "failed")


@click.group(cls=Group)
def task() -> None:
    """Tasks: rooms being deleted, history being purged, users being redacted, and the like."""


@task.command("list", cls=Command, calls=["tasks.list"])
@click.option("--action", "actions", multiple=True, metavar="NAME", help="Only these, such as purge_history.")
@click.option("--resource", metavar="ID", help="Only those about this room or user.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="Only these.")
@click.option("--before", metavar="TIME", type=ANY_TIME, help="Only those that last changed before.")
@output_options
@pass_invocation
def list_(
    invocation: Invocation,
    *,
    actions: tuple[str, ...],
    resource: str | None,
    statuses: tuple[str, ...],
    before: int | None,
    output: Output,
) -> None:
    """List the server's tasks; what is done stays in the list for a week.

    \b
    Examples:
        synadmin task list --status active
        synadmin task list --action shutdown_and_purge_room -o json
    """
    from synadmin.render import Column, time_of

    with invocation.synapse() as synapse:
        found = synapse.tasks.list(
            action_name=actions,
            resource_id=resource,
            status=statuses,
            max_timestamp=before,
        ).as_sent()["scheduled_tasks"]
    columns = [
        Column("id"),
        Column("action"),
        Column("status"),
        Column("timestamp_ms", title="time", value=lambda one: time_of(one.get("timestamp_ms"))),
        Column("resource_id", title="about"),
        Column("error"),
        Column("result", shown=False),
    ]
    output.write(found, columns, empty="No tasks.")

"""``synadmin task``: list scheduled tasks of the server."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import TASK_STATUSES
from synadmin.cli.lazy import Group
from synadmin.cli.output import Output
from synadmin.cli.parameters import ANY_TIME
from synadmin.cli.verbs import reads
from synadmin.columns import Column, relative_time, time_column

if TYPE_CHECKING:
    from synadmin.client import Synapse


def _columns(*, output: Output) -> tuple[Column, ...]:
    """Return the columns; on a terminal three of them are combined, to save space."""
    short = output.on_terminal
    time = time_column("timestamp_ms", "time", shown=not short)

    def action(task: Mapping[str, Any]) -> str:
        return f"{task['action']} {task.get('resource_id') or ''}".rstrip()

    def status(task: Mapping[str, Any]) -> str:
        return f"{task['status']} {relative_time(time.of(task))}"

    return (
        Column("id", whole=True),
        Column("action", value=action if short else None),
        Column("status", value=status if short else None),
        time,
        Column("resource_id", title="about", shown=not short),
        Column("error"),
        Column("result", shown=False),
    )


@click.group(cls=Group)
def task() -> None:
    """Show scheduled tasks of the server.

    For example room deletions, history purges and redactions.
    """


@task.verb
@reads("tasks.list", name="list", columns=_columns, empty="No tasks.")
@click.option(
    "--action", "actions", multiple=True, metavar="NAME", help="Only this action, such as purge_history."
)
@click.option("--resource", metavar="ID", help="Only tasks of this room or user.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(TASK_STATUSES),
    help="Only tasks with this status.",
)
@click.option("--before", metavar="TIME", type=ANY_TIME, help="Only tasks that last changed before.")
def list_(
    synapse: "Synapse",
    *,
    actions: tuple[str, ...],
    resource: str | None,
    statuses: tuple[str, ...],
    before: int | None,
) -> object:
    """List scheduled tasks.

    Finished tasks stay in the list for a week.

    \b
    Examples:
        synadmin task list --status active
        synadmin task list --action shutdown_and_purge_room -o json
    """
    answer = synapse.tasks.list(
        action_name=actions, resource_id=resource, status=statuses, max_timestamp=before
    )
    return answer.as_sent()["scheduled_tasks"]

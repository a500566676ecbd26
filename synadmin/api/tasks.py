"""Scheduled tasks of the server: deleting rooms, purging history, redacting users.

Source: Synapse, ``docs/admin_api/scheduled_tasks.md`` and ``synapse/rest/admin/scheduled_tasks.py``.
"""

from collections.abc import Sequence
from typing import Any

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup


class ScheduledTask(Record, frozen=True, kw_only=True):
    """A scheduled task of the server.

    ``timestamp_ms`` is in milliseconds since the epoch: for a ``scheduled`` task the time at which it is to
    begin, else the time of its last change.
    """

    id: str
    action: str
    status: str
    timestamp_ms: int
    resource_id: str | None = None
    result: dict[str, Any] | None = None
    error: str | None = None


class ScheduledTasks(Record, frozen=True, kw_only=True):
    """The scheduled tasks of the server."""

    scheduled_tasks: tuple[ScheduledTask, ...]


LIST = Endpoint("GET", "/_synapse/admin/v1/scheduled_tasks", ScheduledTasks, since="1.130")


class Tasks(ResourceGroup):
    """Scheduled tasks: ``synapse.tasks``."""

    def list(
        self,
        *,
        action_name: Sequence[str] = (),
        resource_id: str | None = None,
        status: Sequence[str] = (),
        max_timestamp: int | None = None,
    ) -> ScheduledTasks:
        """List the tasks, including those that ended within the last week.

        Args:
            action_name: only tasks with these actions, such as ``purge_history``.
            resource_id: only tasks of this room or user.
            status: only tasks with these statuses, of :data:`~synadmin.api.choices.TASK_STATUSES`.
            max_timestamp: only tasks with this timestamp or an earlier one, in milliseconds since the epoch.

        Source: ``ScheduledTasksRestServlet``.
        """
        return self._send(
            LIST,
            query={
                "action_name": [*action_name],
                "resource_id": resource_id,
                # Every version knows this name; only newer ones know "status".
                "job_status": [*status],
                "max_timestamp": max_timestamp,
            },
        )

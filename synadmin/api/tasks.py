"""Scheduled tasks of the server: deleting rooms, purging history, redacting users.

Source: Synapse, ``docs/admin_api/scheduled_tasks.md`` and ``synapse/rest/admin/scheduled_tasks.py``.
"""

from collections.abc import Sequence
from typing import Any

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup


class ScheduledTask(Record, frozen=True, kw_only=True):
    """A scheduled task of the server.

    ``timestamp_ms`` is in milliseconds since the epoch: when it is to begin, for a ``scheduled`` one, else
    when it last changed.
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
        """List the tasks, done ones included for a week.

        Args:
            action_name: only these actions, ``purge_history`` and the like.
            resource_id: only this room's, or user's.
            status: only these of :data:`~synadmin.api.choices.TASK_STATUSES`.
            max_timestamp: only those with this time or an earlier one, in milliseconds since the epoch.

        Source: ``ScheduledTasksRestServlet``.
        """
        return self._send(
            LIST,
            query={
                "action_name": [*action_name],
                "resource_id": resource_id,
                # Named so in every version; "status" only in newer ones.
                "job_status": [*status],
                "max_timestamp": max_timestamp,
            },
        )

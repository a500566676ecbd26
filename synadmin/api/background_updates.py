"""Updates of the database that Synapse runs in the background.

Source: Synapse, ``docs/usage/administration/admin_api/background_updates.md`` and
``synapse/rest/admin/background_updates.py``.
"""

from collections.abc import Mapping

import msgspec

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.group import ResourceGroup


class BackgroundUpdate(Record, frozen=True, kw_only=True):
    """The background update that is running on a database.

    ``total_duration_ms`` is in milliseconds. ``average_items_per_ms`` is None before the first batch.
    """

    name: str
    total_item_count: int
    total_duration_ms: float
    average_items_per_ms: float | None = None


class BackgroundUpdateStatus(Record, frozen=True, kw_only=True):
    """Whether background updates are enabled, and which one is running on each database."""

    enabled: bool
    current_updates: Mapping[str, BackgroundUpdate] = {}


class Enabled(Record, frozen=True, kw_only=True):
    """Whether background updates are enabled."""

    enabled: bool


STATUS = Endpoint("GET", "/_synapse/admin/v1/background_updates/status", BackgroundUpdateStatus)
ENABLED = Endpoint("GET", "/_synapse/admin/v1/background_updates/enabled", Enabled)
SET_ENABLED = Endpoint("POST", "/_synapse/admin/v1/background_updates/enabled", Enabled, idempotent=True)
START_JOB = Endpoint("POST", "/_synapse/admin/v1/background_updates/start_job", Empty)


class BackgroundUpdates(ResourceGroup):
    """Background updates: ``synapse.background_updates``."""

    def status(self) -> BackgroundUpdateStatus:
        """Return whether background updates are enabled, and which ones are running.

        Source: ``BackgroundUpdateRestServlet``.
        """
        return self._send(STATUS)

    def enabled(self) -> Enabled:
        """Return whether background updates are enabled.

        Source: ``BackgroundUpdateEnabledRestServlet``.
        """
        return self._send(ENABLED)

    def set_enabled(self, *, enabled: bool) -> Enabled:
        """Enable or pause background updates. A restart of Synapse enables them again.

        Source: ``BackgroundUpdateEnabledRestServlet``.
        """
        return self._send(SET_ENABLED, body={"enabled": enabled})

    def start_job(self, job_name: str, *, old_key: str | None = None, before_ts: int | None = None) -> Empty:
        """Start one of :data:`~synadmin.api.choices.JOBS`.

        Args:
            job_name: the job.
            old_key: for ``event_resign``: sign again the events that only this key has signed.
            before_ts: for ``event_resign``: only events before this time, in milliseconds since the epoch.

        Raises:
            MatrixError: the job is in the queue already, or there is no such job (400).

        Source: ``BackgroundUpdateStartJobRestServlet``.
        """
        body = {
            "job_name": job_name,
            "old_key": msgspec.UNSET if old_key is None else old_key,
            "before_ts": msgspec.UNSET if before_ts is None else before_ts,
        }
        return self._send(START_JOB, body=body)

"""Reports of events and of users.

Source: Synapse, ``docs/admin_api/event_reports.md``, ``docs/admin_api/user_reports.md``,
``synapse/rest/admin/event_reports.py`` and ``synapse/rest/admin/user_reports.py``.
"""

from typing import Any

from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import EventId, RoomAlias, RoomId, UserId


class EventReport(Record, frozen=True, kw_only=True):
    """A reported event.

    ``received_ts`` is in milliseconds since the epoch. ``user_id`` has reported the event, ``sender`` has
    sent it. ``score`` is from -100, the worst, to 0, and None where the client gave none.
    """

    id: int
    received_ts: int
    room_id: RoomId
    event_id: EventId
    user_id: UserId
    reason: str | None = None
    score: int | None = None
    sender: UserId | None = None
    canonical_alias: RoomAlias | None = None
    name: str | None = None


class EventReportDetails(EventReport, frozen=True, kw_only=True):
    """A reported event, with the event itself."""

    event_json: dict[str, Any]


class UserReport(Record, frozen=True, kw_only=True):
    """A reported user.

    ``received_ts`` is in milliseconds since the epoch. ``user_id`` has reported ``target_user_id``.
    """

    id: int
    received_ts: int
    target_user_id: UserId
    user_id: UserId
    reason: str | None = None


EVENTS = Paged(
    "GET", "/_synapse/admin/v1/event_reports", EventReport, items="event_reports", key="id", grows=True
)
EVENT = Endpoint("GET", "/_synapse/admin/v1/event_reports/{report_id}", EventReportDetails)
DELETE_EVENT = Endpoint("DELETE", "/_synapse/admin/v1/event_reports/{report_id}", Empty, absent=EVENT)
USERS = Paged(
    "GET",
    "/_synapse/admin/v1/user_reports",
    UserReport,
    items="user_reports",
    key="id",
    grows=True,
    since="1.152",
)
USER = Endpoint("GET", "/_synapse/admin/v1/user_reports/{report_id}", UserReport, since="1.152")
DELETE_USER = Endpoint(
    "DELETE", "/_synapse/admin/v1/user_reports/{report_id}", Empty, since="1.152", absent=USER
)


class Reports(ResourceGroup):
    """Reports: ``synapse.reports``."""

    def events(
        self,
        *,
        user_id: str | None = None,
        room_id: str | None = None,
        event_sender_user_id: str | None = None,
        oldest_first: bool = False,
        page_size: int | None = None,
    ) -> Pager[EventReport]:
        """List the reports of events, the newest first.

        Synapse leaves out reports in rooms that were deleted.

        Args:
            user_id: part of the user id of the reporter.
            room_id: part of the room id.
            event_sender_user_id: the whole user id of the sender of the event.
            oldest_first: list the oldest first.
            page_size: reports a request; None lets pages grow.

        Source: ``EventReportsRestServlet``.
        """
        return self._walk(
            EVENTS,
            query={
                "user_id": user_id,
                "room_id": room_id,
                "event_sender_user_id": event_sender_user_id,
                "dir": "f" if oldest_first else None,
                "limit": page_size,
            },
        )

    def event(self, report_id: int) -> EventReportDetails:
        """Return one report of an event, with the event.

        Raises:
            NotFoundError: there is no such report.

        Source: ``EventReportDetailRestServlet``.
        """
        return self._send(EVENT, report_id=str(report_id))

    def delete_event(self, report_id: int) -> Empty:
        """Delete the report of an event; the event stays.

        Raises:
            NotFoundError: there is no such report.

        Source: ``EventReportDetailRestServlet``.
        """
        return self._send(DELETE_EVENT, report_id=str(report_id))

    def users(
        self,
        *,
        user_id: str | None = None,
        target_user_id: str | None = None,
        oldest_first: bool = False,
        page_size: int | None = None,
    ) -> Pager[UserReport]:
        """List the reports of users, the newest first.

        Args:
            user_id: part of the user id of the reporter.
            target_user_id: part of the user id of the reported user.
            oldest_first: list the oldest first.
            page_size: reports a request; None lets pages grow.

        Source: ``UserReportsRestServlet``.
        """
        return self._walk(
            USERS,
            query={
                "user_id": user_id,
                "target_user_id": target_user_id,
                "dir": "f" if oldest_first else None,
                "limit": page_size,
            },
        )

    def user(self, report_id: int) -> UserReport:
        """Return one report of a user.

        Raises:
            NotFoundError: there is no such report.

        Source: ``UserReportDetailRestServlet``.
        """
        return self._send(USER, report_id=str(report_id))

    def delete_user(self, report_id: int) -> Empty:
        """Delete the report of a user; the user stays.

        Raises:
            NotFoundError: there is no such report.

        Source: ``UserReportDetailRestServlet``.
        """
        return self._send(DELETE_USER, report_id=str(report_id))

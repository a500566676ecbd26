"""Server notices: messages from the server itself to one of its users.

Source: Synapse, ``docs/admin_api/server_notices.md`` and ``synapse/rest/admin/server_notice_servlet.py``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from synadmin.errors import MatrixError
from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import EventId


class Notice(Record, frozen=True, kw_only=True):
    """The event of a server notice, in the user's room for server notices."""

    event_id: EventId


SEND = Endpoint("POST", "/_synapse/admin/v1/send_server_notice", Notice)
SEND_ONCE = Endpoint("PUT", "/_synapse/admin/v1/send_server_notice/{txn_id}", Notice)
_NO_USER = "@nobody:synadmin.invalid"  # Synapse checks its configuration first, then refuses this user


class Notices(ResourceGroup):
    """Server notices: ``synapse.notices``.

    A server has them only where its configuration has ``server_notices``.
    """

    def are_enabled(self) -> bool:
        """Whether the server's configuration has ``server_notices``. Sends no notice.

        Source: ``SendServerNoticeServlet``.
        """
        try:
            self._send(replace(SEND, reads=True), body={"user_id": _NO_USER, "content": {}})
        except MatrixError as error:
            if "not enabled" in error.reason:
                return False
            if "local users" not in error.reason:
                raise
        return True

    def send(
        self,
        user_id: str,
        content: Mapping[str, Any],
        *,
        type: str | msgspec.UnsetType = msgspec.UNSET,  # noqa: A002  Synapse's name
        state_key: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> Notice:
        """Send a notice; a repeated request sends a second notice.

        Args:
            user_id: a user of this server.
            content: the content of the event, such as ``{"msgtype": "m.text", "body": "..."}``.
            type: the event's type; Synapse's default is ``m.room.message``.
            state_key: send a state event with this state key.

        Raises:
            NotFoundError: there is no such user.
            MatrixError: the server has no server notices, or the user is on another server (400).

        Source: ``SendServerNoticeServlet``.
        """
        return self._send(SEND, body=_body(user_id, content, type, state_key))

    def send_once(
        self,
        user_id: str,
        content: Mapping[str, Any],
        *,
        txn_id: str,
        type: str | msgspec.UnsetType = msgspec.UNSET,  # noqa: A002  Synapse's name
        state_key: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> Notice:
        """Send a notice, once for each transaction id.

        The server remembers a transaction for at least half an hour, but not after a restart. It compares
        only the id: use a separate id for each user and each notice.

        Args:
            user_id: a user of this server.
            content: the content of the event.
            txn_id: the transaction id: any text.
            type: the event's type; Synapse's default is ``m.room.message``.
            state_key: send a state event with this state key.

        Raises:
            NotFoundError: there is no such user.
            MatrixError: the server has no server notices, or the user is on another server (400).

        Source: ``SendServerNoticeServlet``.
        """
        return self._send(SEND_ONCE, body=_body(user_id, content, type, state_key), txn_id=txn_id)


def _body(
    user_id: str,
    content: Mapping[str, Any],
    type: str | msgspec.UnsetType,  # noqa: A002  Synapse's name
    state_key: str | msgspec.UnsetType,
) -> dict[str, Any]:
    return {"user_id": user_id, "content": content, "type": type, "state_key": state_key}

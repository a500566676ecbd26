"""Sends a message to a room about a change that was made in it."""

import secrets

from synadmin.client import Synapse
from synadmin.errors import ConnectError, MatrixError, NotAuthenticatedError, ReplyError
from synadmin.ids import RoomId

_MESSAGE = "m.room.message"


def announce(acting: Synapse, room_id: RoomId, text: str) -> str | None:
    """Send a notice to a room; return the error where sending failed.

    Args:
        acting: the server as the sender.
        room_id: the room.
        text: the message.

    Raises:
        NotAuthenticatedError: the token has become invalid.
    """
    content = {"msgtype": "m.notice", "body": text, "m.mentions": {}}
    room = acting.client_server
    try:
        if room.whoami().device_id is None:  # a transaction id needs a device
            room.send_event_anew(room_id, _MESSAGE, content)
        else:
            txn_id = f"synadmin-announce-{secrets.token_hex(8)}"
            room.send_event(room_id, _MESSAGE, content, txn_id=txn_id)
    except NotAuthenticatedError:
        raise
    except (MatrixError, ConnectError, ReplyError) as error:
        return str(error)
    return None

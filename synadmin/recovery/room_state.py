"""Setting a state event of a room through a local user: choose the user, send, read back."""

from collections.abc import Mapping
from typing import Any

from synadmin.errors import SynadminError
from synadmin.ids import RoomId
from synadmin.power.room import RoomView
from synadmin.recovery.change_levels import Actor, start_acting, way_to_act
from synadmin.recovery.observer import Observer
from synadmin.recovery.workspace import Recovery


def sender_of(observer: Observer, view: RoomView, event_type: str) -> Actor | None:
    """Return the user who can set a state event with the least reach; None where no local user may."""
    needed = view.levels.needed(event_type)
    users = (user for user in view.known_local_members if view.levels.level_of(user) >= needed)
    actors = (actor for user in users if (actor := way_to_act(observer, view, user)) is not None)
    return min(actors, key=lambda actor: (actor.reach, actor.user), default=None)


def set_state(
    recovery: Recovery, room_id: RoomId, actor: Actor, event_type: str, content: Mapping[str, Any]
) -> None:
    """Set a state event, revert temporary changes, and read back that the room has the event.

    Args:
        recovery: the run.
        room_id: the room.
        actor: the user who sets it.
        event_type: its type.
        content: its content.

    Raises:
        SynadminError: the event was not set, or the room does not show it.
    """
    observer, temporary = recovery.observer, recovery.temporary
    with recovery.lock(room_id):
        mark = temporary.mark
        before = observer.state_event(room_id, event_type)
        try:
            acting = start_acting(recovery, room_id, actor)
            was = {"room_id": room_id, "state": None if before is None else before.content}
            with acting.transport.recording(before=was):
                acting.client_server.send_state(room_id, event_type, content)
        finally:
            left = temporary.revert_since(mark)
    if left:
        raise SynadminError(f"{event_type} is set, but not reverted: {'; '.join(map(str, left))}")
    now = observer.state_event(room_id, event_type)
    if now is None or now.content != content:
        raise SynadminError(f"{event_type} was sent, but the room does not show it", hint="run it again")

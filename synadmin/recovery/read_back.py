"""Read from the server whether a temporary change is reverted: a success answer is never enough.

The request that reverts the change tells what to read, so that this is known after a crash, too.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from synadmin.api.client_server import LEAVE
from synadmin.api.users import DEACTIVATE, DELETE_RATELIMIT, MODIFY, SET_RATELIMIT, SUSPEND, RateLimitOverride
from synadmin.client import Synapse
from synadmin.errors import NotFoundError, NotSupportedError, SettingsError
from synadmin.http.endpoint import Endpoint
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.mas.service import Mas
from synadmin.mas.users import DEACTIVATE as DEACTIVATE_IN_MAS
from synadmin.mas.users import LOCK as LOCK_IN_MAS
from synadmin.power.events import MEMBER
from synadmin.recovery.reader import state_of

_PATIENCE = 20.0  # seconds until Synapse has taken a deactivated user out of their rooms
_STEP = 0.1
_PRESENT = frozenset({"join", "invite", "knock"})


def is_reverted(
    synapse: Synapse, method: str, path: str, body: Mapping[str, Any] | None, user: UserId | None
) -> bool | None:
    """Return whether the server shows the change of a request; None where this cannot be read.

    Args:
        synapse: the server, with a server admin's token.
        method: the method of the request.
        path: its path, percent-encoded.
        body: its body.
        user: the user as whom it is sent; None for the owner of the token.

    Raises:
        SynadminError: the server did not answer a request, or answered with an error.
    """
    try:
        for endpoint, check in _CHECKS:
            ids = _matched(endpoint, method, path)
            if ids is not None:
                return check(synapse, ids, body or {}, user or synapse.owner)
    except NotFoundError:
        return True  # the account or the room is gone
    return None


def _has_left(synapse: Synapse, ids: Mapping[str, str], _: Mapping[str, Any], user: UserId) -> bool:
    return _membership(synapse, user, RoomId(ids["room_id"])) not in _PRESENT


def _is_deactivated(synapse: Synapse, ids: Mapping[str, str], body: Mapping[str, Any], _: UserId) -> bool:
    """Whether an account is deactivated, and out of its rooms, which Synapse makes it leave later."""
    user = UserId(ids["target_user_id"])
    now = synapse.users.get(user)
    if not now.deactivated or now.erased != bool(body.get("erase")):
        return False
    return _wait_until(lambda: not synapse.activity.joined_rooms(user).total)


def _wait_until(holds: Callable[[], bool]) -> bool:
    """Whether a condition holds now or within seconds."""
    until = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(_STEP)
    return True


def _is_suspended(synapse: Synapse, ids: Mapping[str, str], body: Mapping[str, Any], _: UserId) -> bool:
    return bool(synapse.users.get(UserId(ids["target_user_id"])).suspended == body.get("suspend"))


def _is_locked(synapse: Synapse, ids: Mapping[str, str], body: Mapping[str, Any], _: UserId) -> bool:
    return bool(synapse.users.get(UserId(ids["user_id"])).locked == body.get("locked"))


def _has_limits(synapse: Synapse, ids: Mapping[str, str], body: Mapping[str, Any], _: UserId) -> bool:
    return numbers(synapse.users.ratelimit(UserId(ids["user_id"]))) == (body or None)


def _is_deactivated_in_mas(
    synapse: Synapse, ids: Mapping[str, str], body: Mapping[str, Any], _: UserId
) -> bool:
    """Whether an account is deactivated in MAS, and in Synapse too, where a job of MAS does it."""
    record = _mas(synapse).users.get(ids["id"]).attributes
    if record.deactivated_at is None:
        return False
    user = UserId(f"@{record.username}:{server_name_of(synapse.owner)}")

    def holds() -> bool:
        now = synapse.users.get(user)
        erased = bool(now.erased) == (not body.get("skip_erase"))
        return now.deactivated and erased and not synapse.activity.joined_rooms(user).total

    return _wait_until(holds)


def _is_locked_in_mas(synapse: Synapse, ids: Mapping[str, str], _: Mapping[str, Any], __: UserId) -> bool:
    return _mas(synapse).users.get(ids["id"]).attributes.locked_at is not None


def _mas(synapse: Synapse) -> Mas:
    if synapse.mas is None:
        message = "the Matrix Authentication Service (MAS) does not manage the accounts of this server"
        raise SettingsError(message)
    return synapse.mas


_Check = Callable[[Synapse, Mapping[str, str], Mapping[str, Any], UserId], bool]
_CHECKS: tuple[tuple[Endpoint[Any], _Check], ...] = (
    (LEAVE, _has_left),
    (DEACTIVATE, _is_deactivated),
    (SUSPEND, _is_suspended),
    (MODIFY, _is_locked),
    (SET_RATELIMIT, _has_limits),
    (DELETE_RATELIMIT, _has_limits),
    (DEACTIVATE_IN_MAS, _is_deactivated_in_mas),
    (LOCK_IN_MAS, _is_locked_in_mas),
)


def numbers(override: RateLimitOverride) -> dict[str, int] | None:
    """Return the numbers of an override; None where there is none."""
    if override.messages_per_second is None and override.burst_count is None:
        return None
    return {
        "messages_per_second": override.messages_per_second or 0,
        "burst_count": override.burst_count or 0,
    }


def _matched(endpoint: Endpoint[Any], method: str, path: str) -> dict[str, str] | None:
    """Return the ids of a path, decoded; None where the path belongs to another endpoint."""
    if method != endpoint.method:
        return None
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(endpoint.path))
    match = re.fullmatch(pattern, path)
    return None if match is None else {name: unquote(value) for name, value in match.groupdict().items()}


def _membership(synapse: Synapse, user: UserId, room_id: RoomId) -> str | None:
    """Return a user's membership of a room; None where there is none."""
    try:
        return synapse.users.memberships(user).memberships.get(room_id)
    except NotSupportedError:
        # Synapse before 1.145
        events = (event for event in state_of(synapse, room_id, MEMBER) if event.state_key == user)
        return next((str(event.content.get("membership")) for event in events), None)

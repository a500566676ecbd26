"""Predict what Synapse answers to Make Room Admin, and what the request changes.

``POST /_synapse/admin/v1/rooms/{room}/make_room_admin`` may answer 200 although
nothing was gained, and an error although a level was granted. So both are predicted before it is sent.

Source: the behaviour of Synapse 1.163.2's servlet, event creation and membership handling, observed on
a running server; ``docs/regain-control.md`` describes it case by case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.levels import LEVEL_WITHOUT_EVENT
from synadmin.power.room import AccountState, RoomView

_OK = 200
_BAD_REQUEST = 400
_FORBIDDEN = 403
_SERVER_ERROR = 500

_NOBODY = "No local admin user in room"
_TOO_WEAK = "No local admin user in room with power to update power levels."


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Synapse's answer, and the state of the room afterwards.

    Attributes:
        status: the HTTP status.
        errcode: the Matrix error code, None with 200.
        message: Synapse's error message, None with 200.
        promoter: the local user in whose name the level is granted; None where there is none.
        content: the content of the power levels afterwards.
        levels_changed: the levels change. This is possible with some errors, too.
        new_event: a power-levels event is sent, even if it changes nothing.
        invited: the request also invites the target.
    """

    status: int
    errcode: str | None = None
    message: str | None = None
    promoter: UserId | None = None
    content: Mapping[str, Any] | None
    levels_changed: bool = False
    new_event: bool = False
    invited: bool = False


def predict(view: RoomView, target: UserId) -> Prediction:
    """Return what Make Room Admin does for the target, apart from rate limits and modules of Synapse."""

    def refused(status: int, message: str, errcode: str = "M_UNKNOWN") -> Prediction:
        return Prediction(status=status, errcode=errcode, message=message, content=view.power_levels)

    if not view.in_room:
        return refused(_BAD_REQUEST, "Server not in room")
    try:
        promoter = _promoter(view)
        before: Mapping[str, Any] = view.power_levels if view.power_levels is not None else {}
        users = dict(before.get("users", {}))
    except (TypeError, ValueError):
        return refused(_SERVER_ERROR, "Internal server error")
    if promoter is None:
        return refused(_BAD_REQUEST, _NOBODY)
    if view.power_levels is None and view.needs_levels:
        return refused(_SERVER_ERROR, "Internal server error")

    users[target] = users.get(promoter, LEVEL_WITHOUT_EVENT)
    content = {**before, "users": users}
    failed = _sending(view, promoter, content)
    if failed:
        return replace(refused(failed.status, failed.reason, failed.errcode), promoter=promoter)
    granted = Prediction(
        status=_OK,
        promoter=promoter,
        content=content,
        levels_changed=content != view.power_levels,
        new_event=not _is_duplicate(view, promoter, content),
    )
    if view.membership_of(target) in {"join", "invite"} or view.join_rule == "public":
        return granted
    failed = _inviting(replace(view, power_levels=content), promoter, target)
    if failed:
        return replace(granted, status=failed.status, errcode=failed.errcode, message=failed.reason)
    return replace(granted, invited=True)


def _promoter(view: RoomView) -> UserId | None:
    if view.power_levels is None:
        creator = next(iter(view.creators), None)
        # Joined or not: Synapse checks this later, and answers with another message.
        return creator if creator is not None and view.is_local(creator) else None
    return next((user for user in candidates(view) if view.membership_of(user) == "join"), None)


def candidates(view: RoomView) -> Iterator[UserId]:
    """Yield the local users that Synapse tries, in its order.

    Raises:
        TypeError: levels that cannot be compared with each other; Synapse answers 500 to that.
    """
    levels: Mapping[UserId, Any] = (view.power_levels or {}).get("users", {})
    # Synapse keeps the keys of an event's content in alphabetical order, sorts them by the levels as
    # they are written (so "9" comes after "100") and starts from the end.
    ranked = sorted(sorted(user for user in levels if view.is_local(user)), key=lambda user: levels[user])
    if view.levels.version.creator_power:
        sender, additional = view.creators[:1], view.creators[1:]
        ranked += [creator for creator in (*additional, *sender) if view.is_local(creator)]
    return reversed(ranked)


def _sending(view: RoomView, promoter: UserId, content: Mapping[str, Any]) -> rules.Forbidden | None:
    too_weak = rules.Forbidden(_TOO_WEAK, _BAD_REQUEST, "M_UNKNOWN")
    if view.membership_of(promoter) != "join":
        return too_weak
    if view.account_of(promoter).state is AccountState.SUSPENDED:
        return rules.Forbidden(
            "Sending messages while account is suspended is not allowed.", _FORBIDDEN, "M_USER_SUSPENDED"
        )
    failed = rules.unacceptable(content, view.levels.version)
    if failed:
        return failed
    if _is_duplicate(view, promoter, content):
        return None  # Synapse returns the existing event without checking the power level
    failed = rules.changing_power_levels(view, promoter, content)
    if failed and failed.status == _FORBIDDEN:
        return too_weak
    return failed


def _is_duplicate(view: RoomView, promoter: UserId, content: Mapping[str, Any]) -> bool:
    return promoter == view.power_levels_sender and content == view.power_levels


def _inviting(view: RoomView, promoter: UserId, target: UserId) -> rules.Forbidden | None:
    if view.blocked:
        return rules.Forbidden("This room has been blocked on this server", _FORBIDDEN, "M_UNKNOWN")
    if view.membership_of(target) == "ban":
        return rules.Forbidden("Cannot invite user who was banned", _FORBIDDEN, "M_BAD_STATE")
    return rules.inviting(view, promoter, target)

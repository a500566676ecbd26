"""``synadmin user redact|redact-status``: redact the messages of users."""

from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import click

from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY
from synadmin.cli.invocation import Invocation
from synadmin.cli.outcomes import NotAsAskedError, Record, unchanged
from synadmin.cli.parameters import ANY_TIME, PAST_TIME
from synadmin.cli.server_task import wait_for_task
from synadmin.cli.targets import ANY_USERS, ROOMS, counted, join_names, room_id_of
from synadmin.cli.verbs import Shown, changes, reads
from synadmin.columns import Column
from synadmin.errors import MatrixError, NotFoundError, NotSupportedError, UnknownTargetError, UsageError
from synadmin.ids import localpart_of, server_name_of
from synadmin.text import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from synadmin.api.events import Event
    from synadmin.api.moderation import RedactionStatus
    from synadmin.client import Synapse
    from synadmin.ids import RoomId, UserId

_DEFAULT_LIMIT = 1000  # Synapse's
_REDACTED_TYPES = ["m.room.member", "m.room.message", "m.room.encrypted"]


@changes(
    ANY_USERS,
    "moderation.redact",
    columns=(Column("messages"), Column("rooms"), Column("redact_id", title="id")),
)
@click.option("--room", "rooms", metavar="ROOM", multiple=True, help="Only in this room. Repeatable.")
@click.option("--reason", metavar="TEXT", help="The reason; all members of the rooms can read it.")
@click.option("--after", type=PAST_TIME, help="Only messages sent since: 7d, 2026-01-31.")
@click.option("--before", type=ANY_TIME, help="Only messages sent up to this time.")
@click.option(
    "--limit",
    type=click.IntRange(1, 2**31 - 1),
    help=f"Events to check in each room, newest first [default: {_DEFAULT_LIMIT}].",
)
@click.option("--use-admin", is_flag=True, help="Redact as yourself, which needs power in the rooms.")
@click.option("--no-wait", is_flag=True, help="Print the id of the task, and do not wait.")
def redact(
    synapse: "Synapse",
    user_id: "UserId",
    *,
    scope: "Scope",
    reason: str | None,
    after: int | None,
    before: int | None,
    limit: int | None,
    use_admin: bool,
    no_wait: bool,
    invocation: Invocation,
) -> Record:
    """Redact the messages of users.

    Messages in all rooms that the users are or were in are redacted.

    Messages of a local user are redacted as that user. Those of other users are redacted as you, so you need
    the power for it in each room. Joins are redacted, too, which removes the display name. The messages are
    counted before and after. Rooms for server notices are left out: users cannot redact there.

    \b
    Examples:
        synadmin user redact spammer --after 24h --reason spam
        synadmin user redact @spam:elsewhere.example --room '#club:example.org'
        synadmin user redact --from spammers.txt --yes -o ndjson
    """
    from msgspec import UNSET

    found = scope.count(synapse, user_id)
    messages_by_room = found.by_room
    if not messages_by_room:
        message = f"no messages of {user_id} are left to redact"
        return unchanged("; ".join(filter(None, [message, found.note])), messages=0, rooms=0)
    begun = synapse.moderation.redact(
        user_id,
        rooms=list(messages_by_room),
        reason=UNSET if reason is None else reason,
        limit=UNSET if limit is None else limit,
        use_admin=use_admin or UNSET,
        before_ts=UNSET if before is None else before,
        after_ts=UNSET if after is None else after,
    )
    if no_wait:
        return {"outcome": "pending", **begun.as_sent()}
    status = _wait_for(invocation, synapse, begun.redact_id, f"redacting what {user_id} has sent")
    failed = status.failed_redactions or {}
    left = scope.count(synapse, user_id).by_room
    done = sum(messages_by_room.values()) - sum(left.values())
    if failed or left:
        why = f": {next(iter(failed.values()))}" if failed else ""
        message = (
            f"{done} of {_counted(messages_by_room)} of {user_id} were redacted; "
            f"{sum(left.values())} are left in {', '.join(left) or 'no room'}{why}"
        )
        status_command = command("user", "redact-status", begun.redact_id)
        raise NotAsAskedError(message, hint=f"`{status_command}` shows its state")
    return {"messages": done, "rooms": len(messages_by_room), "message": found.note, **begun.as_sent()}


@redact.check
def _(
    *, rooms: tuple[str, ...], after: int | None, before: int | None, limit: int | None
) -> "dict[str, Scope]":
    for room in rooms:
        ROOMS.parse(room)
    if after is not None and before is not None and after > before:
        raise UsageError("--after is later than --before: there is nothing between them")
    return {"scope": Scope(rooms, after, before, limit or _DEFAULT_LIMIT)}


@redact.question
def _(synapse: "Synapse", users: "list[UserId]", *, scope: "Scope") -> str:
    counts = [scope.count(synapse, user_id).by_room for user_id in users]
    where = counted(len({room for messages_by_room in counts for room in messages_by_room}), "room")
    return (
        f"{_counted(*counts)} of {join_names(users)} in {where} will be redacted permanently "
        f"(at most {scope.limit} in each room). Continue?"
    )


def _counted(*counts: "Mapping[RoomId, int]") -> str:
    number = sum(sum(messages_by_room.values()) for messages_by_room in counts)
    return "1 message or join" if number == 1 else f"{number} messages and joins"


class Redactable(NamedTuple):
    """The messages and joins of a user that are not redacted yet.

    Attributes:
        by_room: their number in each room with such events.
        for_notices: rooms for server notices, where users cannot redact.
    """

    by_room: "dict[RoomId, int]"
    for_notices: "list[RoomId]"

    @property
    def note(self) -> str | None:
        """A clause about the left-out rooms; None where there are none."""
        rooms = join_names(self.for_notices)
        return f"left out: the join in the server notices room {rooms}" if rooms else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The choice of a user's messages to redact.

    Attributes:
        rooms: the rooms as given; empty: all rooms.
        after: no messages before this time.
        before: no messages after this time.
        limit: the number of events to check in each room, newest first.
    """

    rooms: tuple[str, ...]
    after: int | None
    before: int | None
    limit: int

    def count(self, synapse: "Synapse", user_id: "UserId") -> Redactable:
        """Count the messages and joins that are not redacted yet.

        Raises:
            NotFoundError: there is no such account, or no such room.
            UnknownTargetError: the user is on another server, and was never in a room of this server.
        """
        found = Redactable({}, [])
        is_reserved = cache(partial(_is_reserved, synapse))
        for room in self._rooms(synapse, user_id):
            types = self._in_room(synapse, user_id, room)
            # In a room for server notices, users cannot send messages, and the creator's name is reserved.
            if {*types} == {"m.room.member"} and is_reserved(synapse.rooms.get(room).creator):
                found.for_notices.append(room)
            elif types:
                found.by_room[room] = len(types)
        return found

    def _rooms(self, synapse: "Synapse", user_id: "UserId") -> "list[RoomId]":
        rooms = [synapse.rooms.get(room_id_of(synapse, room)).room_id for room in self.rooms]
        if user_id.partition(":")[2] == synapse.owner.partition(":")[2]:
            synapse.users.get(user_id)
        if rooms:
            return list(dict.fromkeys(rooms))
        known = sorted(_rooms_of(synapse, user_id))
        if not known and user_id.partition(":")[2] != synapse.owner.partition(":")[2]:
            raise UnknownTargetError(f"this server knows no room that {user_id} is or was in")
        return known

    def _in_room(self, synapse: "Synapse", user_id: "UserId", room_id: "RoomId") -> list[str]:
        """Return the types of the events that are not redacted yet."""
        chosen = {"senders": [user_id], "types": _REDACTED_TYPES}
        pager = synapse.events.messages(
            room_id, backwards=True, filter=chosen, page_size=min(self.limit, 1000)
        )
        in_time = (
            event
            for event in pager
            if (self.after is None or event.origin_server_ts >= self.after)
            and (self.before is None or event.origin_server_ts <= self.before)
        )
        return [event.type for event in islice(in_time, self.limit) if _is_redactable(event)]


def _rooms_of(synapse: "Synapse", user_id: "UserId") -> "Iterable[RoomId]":
    try:
        return synapse.users.memberships(user_id).memberships
    except NotSupportedError:
        # Synapse before 1.145 lists only rooms that the user is still in.
        return synapse.activity.joined_rooms(user_id).joined_rooms


def _is_reserved(synapse: "Synapse", user_id: "UserId | None") -> bool:
    """Return whether no local account has this user id, and the server reserves the name."""
    if user_id is None or server_name_of(user_id) != server_name_of(synapse.owner):
        return False
    try:
        synapse.users.get(user_id)
    except NotFoundError:
        try:
            synapse.lookup.username_available(localpart_of(user_id))
        except MatrixError as error:
            return error.errcode == "M_EXCLUSIVE"
    return False


def _is_redactable(event: "Event") -> bool:
    """Return whether Synapse would redact this event: of memberships, it redacts only joins."""
    if "redacted_because" in (event.unsigned or {}):
        return False
    return event.type != "m.room.member" or event.content.get("membership") == "join"


def _wait_for(invocation: Invocation, synapse: "Synapse", redact_id: str, what: str) -> "RedactionStatus":
    return wait_for_task(
        invocation,
        lambda: synapse.moderation.redact_status(redact_id),
        what=what,
        again=f"synadmin user redact-status {redact_id} --wait",
    )


@reads("moderation.redact_status")
@click.argument("redact_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until the redaction has ended.")
def redact_status(synapse: "Synapse", redact_id: str, *, wait: bool, invocation: Invocation) -> object:
    """Show the progress of a redaction, and its failures.

    The server keeps it for a week. Exit code 1: it failed; 6: it is complete, but some events were not
    redacted.

    \b
    Examples:
        synadmin user redact-status CQgWpTzCxKMVnbeo
        synadmin user redact-status CQgWpTzCxKMVnbeo --wait -o json
    """
    if wait:
        status = _wait_for(invocation, synapse, redact_id, "redacting")
    else:
        status = synapse.moderation.redact_status(redact_id)
    code = EXIT_PARTLY if status.failed_redactions else EXIT_DONE
    record = {"redact_id": redact_id, **status.as_sent()}
    return Shown(record, code=EXIT_FAILED if status.status == "failed" else code)

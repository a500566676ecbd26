"""``synadmin user joined-rooms|memberships|…``: show rooms, invitations and data of a user."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.verbs import reads
from synadmin.columns import Column, time_column

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId

_ROOM = Column("room_id", title="room", whole=True)
_DATA_COLUMNS = (Column("room_id", title="room"), Column("type"), Column("content"))
_PUSHER_COLUMNS = (
    Column("kind"),
    Column("app_display_name", title="app"),
    Column("device_display_name", title="device"),
    Column("enabled"),
    Column("data.url", title="to"),
    Column("pushkey", title="push key"),
    Column("app_id", title="app id", shown=False),
    Column("device_id", title="device id", shown=False),
    Column("lang", title="language", shown=False),
    Column("profile_tag", shown=False),
    Column("data", shown=False),
)
_since = click.option("--since", type=PAST_TIME, default=0, help="Count only since: 7d, 2026-01-31.")


def _counting(field: str, title: str) -> tuple[Column, ...]:
    return (
        Column("user_id", title="user", whole=True),
        time_column("from_ts", "since", zero=False, none="the beginning"),
        Column(field, title, right=True),
    )


@reads("activity.joined_rooms", columns=(_ROOM,), empty="In no room.", anyone=True)
def joined_rooms(synapse: "Synapse", user_id: "UserId") -> object:
    """List the rooms that a user has joined.

    For a user of another server, it lists only rooms that this server is also in.

    \b
    Examples:
        synadmin user joined-rooms alice
        synadmin user joined-rooms @spam:elsewhere.example -o csv
    """
    return [{"room_id": room} for room in sorted(synapse.activity.joined_rooms(user_id).joined_rooms)]


@reads("users.memberships", columns=(_ROOM, Column("membership")), empty="No such membership.", anyone=True)
@click.option("--membership", metavar="KIND", help="Only this membership: join, invite, knock, leave, ban.")
def memberships(synapse: "Synapse", user_id: "UserId", *, membership: str | None) -> object:
    """List all memberships of a user, past ones included.

    Shows every room that the user has joined, was invited to or banned from, with the current membership.

    \b
    Examples:
        synadmin user memberships alice
        synadmin user memberships alice --membership ban -o ndjson
    """
    return [
        {"room_id": room, "membership": kind}
        for room, kind in sorted(synapse.users.memberships(user_id).memberships.items())
        if membership is None or kind == membership
    ]


@reads("activity.sent_invite_count", columns=_counting("invite_count", "invitations"), anyone=True)
@_since
def invites_sent(synapse: "Synapse", user_id: "UserId", *, since: int) -> object:
    """Count the invitations that a user has sent.

    Many invitations in a short time are a sign of spam.

    \b
    Examples:
        synadmin user invites-sent alice
        synadmin user invites-sent alice --since 24h -o json
    """
    sent = synapse.activity.sent_invite_count(user_id, from_ts=since).as_sent()
    return {"user_id": user_id, "from_ts": since, **sent}


@reads(
    "activity.joined_room_count",
    columns=_counting("cumulative_joined_room_count", "rooms joined"),
    anyone=True,
)
@_since
def joined_count(synapse: "Synapse", user_id: "UserId", *, since: int) -> object:
    """Count the rooms that a user has joined over time.

    Rooms that the user has left are included.

    \b
    Examples:
        synadmin user joined-count alice
        synadmin user joined-count alice --since 24h -o json
    """
    sent = synapse.activity.joined_room_count(user_id, from_ts=since).as_sent()
    return {"user_id": user_id, "from_ts": since, **sent}


@reads("activity.account_data", columns=_DATA_COLUMNS, empty="No such account data.")
@click.option("--type", "kind", metavar="TYPE", help="Only of this type, such as m.direct.")
def account_data(synapse: "Synapse", user_id: "UserId", *, kind: str | None) -> object:
    """Show a user's account data.

    Clients keep settings, ignored users and room tags there.

    \b
    Examples:
        synadmin user account-data alice
        synadmin user account-data alice --type m.ignored_user_list -o json
    """
    sent: dict[str, Any] = synapse.activity.account_data(user_id).as_sent()["account_data"]
    places = [(None, sent.get("global", {})), *sent.get("rooms", {}).items()]
    return [
        {"room_id": room, "type": name, "content": content}
        for room, contents in places
        for name, content in contents.items()
        if kind is None or name == kind
    ]


@reads("activity.pushers", columns=_PUSHER_COLUMNS, empty="No notifications are sent.")
def pushers(synapse: "Synapse", user_id: "UserId") -> object:
    """List where a user's notifications are sent.

    \b
    Examples:
        synadmin user pushers alice
        synadmin user pushers alice -o json
    """
    return synapse.activity.pushers(user_id).as_sent()["pushers"]

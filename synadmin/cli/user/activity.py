"""``synadmin user joined-rooms|memberships|…``: what a user does and has. Looking, and nothing else."""

from typing import Any

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.targets import any_user_id_of
from synadmin.cli.user.named import named


@click.command("joined-rooms", cls=Command, calls=["activity.joined_rooms"])
@click.argument("user")
@output_options
@pass_invocation
def joined_rooms(invocation: Invocation, user: str, *, output: Output) -> None:
    """List the rooms a user is in. Of users elsewhere, those that this server is in, too.

    \b
    Examples:
        synadmin user joined-rooms alice
        synadmin user joined-rooms @spam:elsewhere.example -o csv
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        rooms = synapse.activity.joined_rooms(any_user_id_of(synapse, user)).joined_rooms
    records = ({"room_id": room} for room in sorted(rooms))
    output.write(records, [Column("room_id", title="room")], empty="In no room.")


@click.command(cls=Command, calls=["users.memberships"])
@click.argument("user")
@click.option("--membership", metavar="KIND", help="Only this one: join, invite, knock, leave, ban.")
@output_options
@pass_invocation
def memberships(invocation: Invocation, user: str, *, membership: str | None, output: Output) -> None:
    """List every room a user was ever in, invited to or banned from, and what they are there now.

    \b
    Examples:
        synadmin user memberships alice
        synadmin user memberships alice --membership ban -o ndjson
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        found = synapse.users.memberships(any_user_id_of(synapse, user)).memberships
    records = (
        {"room_id": room, "membership": kind}
        for room, kind in sorted(found.items())
        if membership is None or kind == membership
    )
    columns = [Column("room_id", title="room", whole=True), Column("membership")]
    output.write(records, columns, empty="No such membership.")


@click.command("invites-sent", cls=Command, calls=["activity.sent_invite_count"])
@click.argument("user")
@click.option("--since", type=PAST_TIME, default=0, help="Only from then on: 7d, 2026-01-31.")
@output_options
@pass_invocation
def invites_sent(invocation: Invocation, user: str, *, since: int, output: Output) -> None:
    """Count the invitations a user has sent. Many in a short time are a sign of spam.

    \b
    Examples:
        synadmin user invites-sent alice
        synadmin user invites-sent alice --since 24h -o json
    """
    with invocation.synapse() as synapse:
        user_id = any_user_id_of(synapse, user)
        sent = synapse.activity.sent_invite_count(user_id, from_ts=since).as_sent()
    _write_count({"user_id": user_id, "from_ts": since, **sent}, output)


@click.command("joined-count", cls=Command, calls=["activity.joined_room_count"])
@click.argument("user")
@click.option("--since", type=PAST_TIME, default=0, help="Only from then on: 7d, 2026-01-31.")
@output_options
@pass_invocation
def joined_count(invocation: Invocation, user: str, *, since: int, output: Output) -> None:
    """Count the rooms a user has joined, those they have left again included.

    \b
    Examples:
        synadmin user joined-count alice
        synadmin user joined-count alice --since 24h -o json
    """
    with invocation.synapse() as synapse:
        user_id = any_user_id_of(synapse, user)
        sent = synapse.activity.joined_room_count(user_id, from_ts=since).as_sent()
    _write_count({"user_id": user_id, "from_ts": since, **sent}, output)


def _write_count(record: dict[str, Any], output: Output) -> None:
    from synadmin.render import Column, time_of

    columns = [
        Column("user_id", title="user"),
        Column(
            "from_ts", title="since", value=lambda one: time_of(one["from_ts"]) if one["from_ts"] else None
        ),
        *(Column(name) for name in record if name not in {"user_id", "from_ts"}),
    ]
    output.write_one(record, columns)


@click.command("account-data", cls=Command, calls=["activity.account_data"])
@click.argument("user")
@click.option("--type", "kind", metavar="TYPE", help="Only of this type, such as m.direct.")
@output_options
@pass_invocation
def account_data(invocation: Invocation, user: str, *, kind: str | None, output: Output) -> None:
    """Show what a user's clients keep on the server: settings, ignored users, tags of rooms.

    \b
    Examples:
        synadmin user account-data alice
        synadmin user account-data alice --type m.ignored_user_list -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        sent = synapse.activity.account_data(named(synapse, user)).as_sent()["account_data"]
    places = [(None, sent.get("global", {})), *sent.get("rooms", {}).items()]
    records = (
        {"room_id": room, "type": name, "content": content}
        for room, contents in places
        for name, content in contents.items()
        if kind is None or name == kind
    )
    columns = [Column("room_id", title="room"), Column("type"), Column("content")]
    output.write(records, columns, empty="No such account data.")


@click.command(cls=Command, calls=["activity.pushers"])
@click.argument("user")
@output_options
@pass_invocation
def pushers(invocation: Invocation, user: str, *, output: Output) -> None:
    """List where a user's notifications are sent.

    \b
    Examples:
        synadmin user pushers alice
        synadmin user pushers alice -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        sent = synapse.activity.pushers(named(synapse, user)).as_sent()["pushers"]
    columns = [
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
    ]
    output.write(sent, columns, empty="No notifications are sent.")

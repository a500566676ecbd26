"""``synadmin device``: the sessions of users."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.user.named import Bulk, changes_users, named
from synadmin.errors import NotAuthenticatedError, NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.render import Column

_LONGEST_NAME = 100  # characters; what Synapse takes


@click.group(cls=Group)
def device() -> None:
    """Devices of local users. Each is a session that somebody has signed in to; to delete it ends it.

    USER is a user id (@alice:example.org), or a localpart (alice) on your own server.
    """


@device.command("list", cls=Command, calls=["devices.list"])
@click.argument("user")
@output_options
@pass_invocation
def list_(invocation: Invocation, user: str, *, output: Output) -> None:
    """List a user's devices.

    \b
    Examples:
        synadmin device list alice
        synadmin device list alice -o json
    """
    with invocation.synapse() as synapse:
        sent = synapse.devices.list(named(synapse, user)).as_sent()["devices"]
    output.write(sent, _columns(), empty="No devices: nobody is signed in.")


@device.command(cls=Command, calls=["devices.get"])
@click.argument("user")
@click.argument("device_id", metavar="DEVICE")
@output_options
@pass_invocation
def show(invocation: Invocation, user: str, device_id: str, *, output: Output) -> None:
    """Show one device.

    \b
    Examples:
        synadmin device show alice QBUAZIFURK
        synadmin device show alice QBUAZIFURK -o json
    """
    with invocation.synapse() as synapse:
        sent = synapse.devices.get(named(synapse, user), device_id).as_sent()
    output.write_one(sent, _columns())


def _columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("device_id", title="device", whole=True),
        Column("display_name", title="name"),
        Column("last_seen_ts", title="last seen", value=lambda one: time_of(one.get("last_seen_ts"))),
        Column("last_seen_ip", title="from"),
        Column("last_seen_user_agent", title="with"),
        Column("user_id", title="user", shown=False),
        Column("dehydrated", shown=False),
    ]


@device.command(cls=Command, calls=["devices.create"])
@click.argument("user")
@click.argument("device_ids", nargs=-1, required=True, metavar="DEVICE...")
@change_options
@output_options
@pass_invocation
def create(
    invocation: Invocation,
    user: str,
    device_ids: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Make devices that nobody is signed in to, for tools that need one. One that exists is left alone.

    \b
    Examples:
        synadmin device create bridge-bot BRIDGE
        synadmin device create bridge-bot BRIDGE --dry-run
    """
    with invocation.synapse() as synapse:
        user_id = named(synapse, user)

        def act(device_id: str) -> "Mapping[str, Any]":
            synapse.devices.create(user_id, device_id)
            return {"display_name": synapse.devices.get(user_id, device_id).display_name}

        return change(
            invocation,
            synapse,
            _checked(device_ids),
            act,
            what="device_id",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


def _checked(device_ids: "Sequence[str]") -> list[str]:
    if "" in device_ids:
        message = "a device id is not empty"
        raise UsageError(message)
    return list(dict.fromkeys(device_ids))


@device.command(cls=Command, calls=["devices.modify"])
@click.argument("user")
@click.argument("device_id", metavar="DEVICE")
@click.argument("name")
@change_options
@output_options
@pass_invocation
def rename(
    invocation: Invocation,
    user: str,
    device_id: str,
    name: str,
    *,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Give a device another name, which those who share rooms with the user may see.

    \b
    Examples:
        synadmin device rename alice QBUAZIFURK "Alice's old phone"
        synadmin device rename alice QBUAZIFURK ""
    """
    if len(name) > _LONGEST_NAME:
        message = f"a device's name has at most {_LONGEST_NAME} characters"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        user_id = named(synapse, user)

        def act(device_id: str) -> "Mapping[str, Any]":
            synapse.devices.get(user_id, device_id)  # a rehearsal, too, is to say that there is none
            synapse.devices.modify(user_id, device_id, display_name=name)
            found = synapse.devices.get(user_id, device_id).display_name
            if found != name:
                message = f"the server said yes, but {device_id} is called {found!a}"
                raise NotAsAskedError(message)
            return {"display_name": found}

        return change(
            invocation,
            synapse,
            _checked([device_id]),
            act,
            what="device_id",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


@device.command(cls=Command, calls=["devices.delete"])
@click.argument("user")
@click.argument("device_ids", nargs=-1, required=True, metavar="DEVICE...")
@change_options
@output_options
@pass_invocation
def delete(
    invocation: Invocation,
    user: str,
    device_ids: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Delete devices of one user, which ends these sessions and deletes their encryption keys.

    All devices at once, or those of many users: device delete-all.

    \b
    Examples:
        synadmin device delete alice QBUAZIFURK
        synadmin device delete alice QBUAZIFURK AUIECTSRND --yes
    """
    with invocation.synapse() as synapse:
        user_id = named(synapse, user)
        devices = _checked(device_ids)
        mine = _own_device(synapse, user_id)
        # What ends our own session comes last.
        devices.sort(key=lambda device_id: device_id == mine)
        question = None
        if not dry_run and not yes:
            question = f"{counted(len(devices), 'session')} of {user_id} will end: {', '.join(devices)}."
            if mine in devices:
                question += " One of them is the one that you are using now."
            question += " Go on?"

        def act(device_id: str) -> "Mapping[str, Any]":
            # Synapse says yes to a device that is not there: a typing error would go unnoticed.
            found = synapse.devices.get(user_id, device_id)
            synapse.devices.delete(user_id, device_id)
            if _is_there(synapse, user_id, device_id):
                message = f"the server said yes, but {device_id} is still there"
                raise NotAsAskedError(message)
            return {"display_name": found.display_name}

        return change(
            invocation,
            synapse,
            devices,
            act,
            what="device_id",
            question=question,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


def _own_device(synapse: "Synapse", user_id: "UserId") -> str | None:
    """Return the device that the token belongs to, where it is this user's."""
    return synapse.client_server.whoami().device_id if user_id == synapse.owner else None


def _is_there(synapse: "Synapse", user_id: "UserId", device_id: str) -> bool:
    try:
        synapse.devices.get(user_id, device_id)
    except NotFoundError:
        return False
    except NotAuthenticatedError:
        # Our own token went with it.
        if user_id != synapse.owner:
            raise
        return False
    return True


@device.command("delete-all", cls=Command, calls=["devices.delete_many"])
@click.option("--unused-since", type=PAST_TIME, help="Only those that were not seen since: 90d, 2026-01-31.")
@changes_users
@pass_invocation
def delete_all(invocation: Invocation, *, unused_since: int | None, bulk: Bulk) -> int:
    """Delete all devices of users, which signs them out everywhere.

    With --unused-since only devices that were seen, and not lately; those that nobody has ever seen stay.
    The session that you are using yourself stays as well.

    \b
    Examples:
        synadmin device delete-all alice
        synadmin device delete-all --from compromised.txt --yes -o ndjson
        synadmin device delete-all alice --unused-since 90d --dry-run
    """
    from synadmin.render import Column

    def act(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
        devices = _deleted_with(synapse, user_id, unused_since)
        if not devices:
            return {"message": "there is none", "devices": []}
        synapse.devices.delete_many(user_id, devices)
        left = set(devices) & {one.device_id for one in synapse.devices.list(user_id).devices}
        if left:
            message = f"the server said yes, but {', '.join(sorted(left))} of {user_id} is still there"
            raise NotAsAskedError(message)
        return {"devices": devices}

    def question(synapse: "Synapse", users: "Sequence[UserId]") -> str:
        number = 0
        for user_id in users:
            try:
                number += len(_deleted_with(synapse, user_id, unused_since))
            except NotFoundError:
                # Told as its outcome, where it is one of several.
                if len(users) == 1:
                    raise
        if not number:
            message = "nothing was changed: there is no such device"
            raise RefusedError(message)
        whose = users[0] if len(users) == 1 else counted(len(users), "user")
        return (
            f"{counted(number, 'session')} of {whose} will end, and their encryption keys are deleted. Go on?"
        )

    return bulk.carry_out(invocation, act, question=question, columns=[Column("devices")])


def _deleted_with(synapse: "Synapse", user_id: "UserId", unused_since: int | None) -> list[str]:
    mine = _own_device(synapse, user_id)
    return [
        one.device_id
        for one in synapse.devices.list(user_id).devices
        if one.device_id != mine
        and (unused_since is None or (one.last_seen_ts is not None and one.last_seen_ts < unused_since))
    ]

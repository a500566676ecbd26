"""``synadmin device``: the sessions of users."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.lazy import Group
from synadmin.cli.mas_required import account_in_mas, usable_mas
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.targets import DEVICES, USERS, counted
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, time_column
from synadmin.errors import NotAuthenticatedError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.mas_account import MasAccount

_LONGEST_NAME = 100  # characters; what Synapse takes
_COLUMNS = (
    Column("device_id", title="device", whole=True),
    Column("display_name", title="name"),
    time_column("last_seen_ts", "last seen"),
    Column("last_seen_ip", title="ip address"),
    Column("last_seen_user_agent", title="client"),
    Column("user_id", title="user", shown=False),
    Column("dehydrated", shown=False),
)


@click.group(cls=Group)
def device() -> None:
    """Show, create, rename and delete devices (sessions).

    Deleting a device signs it out.

    USER is a user id (@alice:example.org), or a localpart (alice) on your own server.
    """


@device.verb
@reads("devices.list", name="list", columns=_COLUMNS, empty="No devices: the user is not signed in.")
def list_(synapse: "Synapse", user_id: "UserId") -> object:
    """List a user's devices.

    \b
    Examples:
        synadmin device list alice
        synadmin device list alice -o json
    """
    return synapse.devices.list(user_id).as_sent()["devices"]


@device.verb
@reads("devices.get", columns=_COLUMNS)
def show(synapse: "Synapse", user_id: "UserId", device_id: str) -> object:
    """Show one device.

    \b
    Examples:
        synadmin device show alice QBUAZIFURK
        synadmin device show alice QBUAZIFURK -o json
    """
    return synapse.devices.get(user_id, device_id)


@device.verb
@changes(DEVICES, "devices.create")
def create(synapse: "Synapse", user_id: "UserId", device_id: str) -> Record:
    """Create devices without a session, for tools.

    A device that exists is not changed.

    \b
    Examples:
        synadmin device create bridge-bot BRIDGE
        synadmin device create bridge-bot BRIDGE --dry-run
    """
    synapse.devices.create(user_id, device_id)
    return {"display_name": synapse.devices.get(user_id, device_id).display_name}


@device.verb
@changes(DEVICES, "devices.modify", many=False)
def rename(synapse: "Synapse", user_id: "UserId", device_id: str, name: str) -> Record:
    """Rename a device.

    Users who share rooms with its owner may see the name.

    \b
    Examples:
        synadmin device rename alice QBUAZIFURK "Alice's old phone"
        synadmin device rename alice QBUAZIFURK ""
    """
    synapse.devices.get(user_id, device_id)  # also a dry run reports a missing device
    synapse.devices.modify(user_id, device_id, display_name=name)
    shown_name = synapse.devices.get(user_id, device_id).display_name
    if shown_name != name:
        raise NotAsAskedError(f"the server reported success, but {device_id} is called {shown_name!a}")
    return {"display_name": shown_name}


@rename.check
def _(*, name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"a device's name has at most {_LONGEST_NAME} characters")


@device.verb
@changes(DEVICES, "devices.delete")
def delete(synapse: "Synapse", user_id: "UserId", device_id: str) -> Record:
    """Delete devices of a user: their sessions end.

    Their encryption keys are deleted, too.

    For all devices of one or more users: `synadmin device delete-all`.

    \b
    Examples:
        synadmin device delete alice QBUAZIFURK
        synadmin device delete alice QBUAZIFURK AUIECTSRND --yes
    """
    # Synapse reports success for a device that does not exist, so a typing error would stay unnoticed.
    device_ = synapse.devices.get(user_id, device_id)
    account = _account_in_mas(synapse, user_id)
    if account is not None:
        to_come = account.end_devices([device_id])
        return done("deleted", to_come=to_come, display_name=device_.display_name)
    synapse.devices.delete(user_id, device_id)
    if _is_there(synapse, user_id, device_id):
        raise NotAsAskedError(f"the server reported success, but {device_id} is still there")
    return done("deleted", display_name=device_.display_name)


def _account_in_mas(synapse: "Synapse", user_id: "UserId") -> "MasAccount | None":
    """Return the account in the Matrix Authentication Service (MAS), which has the devices' sessions.

    None where MAS does not manage the accounts, or cannot be asked: then Synapse deletes the device.
    """
    return None if usable_mas(synapse) is None else account_in_mas(synapse, user_id)


@delete.order
def _(synapse: "Synapse", *, user_id: "UserId") -> "Callable[[str], bool]":
    # The device of our own session is deleted last.
    mine = _own_device(synapse, user_id)
    return lambda device_id: device_id == mine


@delete.question
def _(synapse: "Synapse", device_ids: list[str], *, user_id: "UserId") -> str:
    question = f"{counted(len(device_ids), 'session')} of {user_id} will end: {', '.join(device_ids)}."
    if _own_device(synapse, user_id) in device_ids:
        question += f" {'It' if len(device_ids) == 1 else 'One of them'} is your current session."
    return f"{question} Continue?"


def _own_device(synapse: "Synapse", user_id: "UserId") -> str | None:
    """Return the device that the token belongs to, where it is this user's."""
    return synapse.client_server.whoami().device_id if user_id == synapse.owner else None


def _is_there(synapse: "Synapse", user_id: "UserId", device_id: str) -> bool:
    try:
        synapse.devices.get(user_id, device_id)
    except NotFoundError:
        return False
    except NotAuthenticatedError:
        # The deletion has ended our own token.
        if user_id != synapse.owner:
            raise
        return False
    return True


@device.verb
@changes(USERS, "devices.delete_many", columns=(Column("devices"),))
@click.option("--unused-since", type=PAST_TIME, help="Only devices not seen since: 90d, 2026-01-31.")
def delete_all(synapse: "Synapse", user_id: "UserId", *, unused_since: int | None) -> Record:
    """Delete all devices of users: signs them out everywhere.

    --unused-since deletes only devices that were last seen before that time. Devices that were never seen
    stay. Your current session stays, too.

    \b
    Examples:
        synadmin device delete-all alice
        synadmin device delete-all --from compromised.txt --yes -o ndjson
        synadmin device delete-all alice --unused-since 90d --dry-run
    """
    devices = _deleted_with(synapse, user_id, unused_since)
    if not devices:
        return unchanged("there is no such device" if unused_since else "the user has no device", devices=[])
    account = _account_in_mas(synapse, user_id)
    if account is not None:
        return done("deleted", to_come=account.end_devices(devices), devices=devices)
    synapse.devices.delete_many(user_id, devices)
    left = set(devices) & {device_.device_id for device_ in synapse.devices.list(user_id).devices}
    if left:
        message = f"the server reported success, but {', '.join(sorted(left))} of {user_id} is still there"
        raise NotAsAskedError(message)
    return done("deleted", devices=devices)


@delete_all.question
def _(synapse: "Synapse", users: "list[UserId]", *, unused_since: int | None) -> str | None:
    number = 0
    for user_id in users:
        try:
            number += len(_deleted_with(synapse, user_id, unused_since))
        except NotFoundError:  # the account's outcome reports it
            continue
    if not number:
        return None
    whose = users[0] if len(users) == 1 else counted(len(users), "user")
    return (
        f"{counted(number, 'session')} of {whose} will end, and their encryption keys are deleted. Continue?"
    )


def _deleted_with(synapse: "Synapse", user_id: "UserId", unused_since: int | None) -> list[str]:
    mine = _own_device(synapse, user_id)
    return [
        device_.device_id
        for device_ in synapse.devices.list(user_id).devices
        if device_.device_id != mine
        and (
            unused_since is None or (device_.last_seen_ts is not None and device_.last_seen_ts < unused_since)
        )
    ]

"""Devices, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

ESCAPED_ID = "BRIDGE/two+1=%2F?#"  # its characters need escapes in a URL


def sign_in(homeserver: Homeserver, person: Person, name: str) -> str:
    with Synapse(homeserver.url) as synapse:
        session = synapse.client_server.login(person.user_id, homeserver.password, device_name=name)
    assert session.device_id is not None
    return session.device_id


def device_names(homeserver: Homeserver, person: Person) -> dict[str, str | None]:
    devices = homeserver.admin.synapse.devices.list(person.user_id).devices
    return {device.device_id: device.display_name for device in devices}


def test_devices_with_any_id_are_created_renamed_and_deleted(
    homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice = newcomer()
    devices = homeserver.admin.synapse.devices
    current_device = alice.synapse.client_server.whoami().device_id
    phone = sign_in(homeserver, alice, "Phone")

    devices.create(alice.user_id, ESCAPED_ID)
    devices.modify(alice.user_id, ESCAPED_ID, display_name="Bridge")
    shown = devices.get(alice.user_id, ESCAPED_ID)
    all_devices = devices.list(alice.user_id)
    devices.delete(alice.user_id, ESCAPED_ID)
    devices.delete_many(alice.user_id, [phone])

    assert (shown.device_id, shown.display_name, shown.user_id) == (ESCAPED_ID, "Bridge", alice.user_id)
    assert all_devices.total == 3
    assert device_names(homeserver, alice).keys() == {current_device}
    with pytest.raises(NotFoundError):
        devices.get(alice.user_id, ESCAPED_ID)


def test_commands_for_one_device_read_back_the_change(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    user = alice.user_id

    created = synadmin("device", "create", user, ESCAPED_ID, "SECOND")
    renamed = synadmin("device", "rename", user, ESCAPED_ID, "Old bridge")
    listed = json.loads(synadmin("device", "list", user, "-o", "json").stdout)
    shown = json.loads(synadmin("device", "show", user, ESCAPED_ID, "-o", "json").stdout)
    unconfirmed = synadmin("device", "delete", user, ESCAPED_ID)
    deleted = synadmin("device", "delete", user, ESCAPED_ID, "UNKNOWN", "--yes", "-o", "ndjson")

    assert created.code == renamed.code == 0
    assert len(listed) == 3
    assert shown == next(device for device in listed if device["device_id"] == ESCAPED_ID)
    assert shown["display_name"] == "Old bridge"
    assert unconfirmed.code == 2
    assert deleted.code == 6
    outcomes = [json.loads(line) for line in deleted.stdout.splitlines()]
    assert [(one["device_id"], one["outcome"]) for one in outcomes] == [
        (ESCAPED_ID, "done"),
        ("UNKNOWN", "failed"),
    ]
    assert ESCAPED_ID not in device_names(homeserver, alice)
    assert synadmin("device", "show", user, "UNKNOWN").code == 4
    assert synadmin("device", "rename", user, "UNKNOWN", "x", "--dry-run").code == 4


def test_all_devices_of_listed_users_are_deleted(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    sign_in(homeserver, alice, "Phone")
    users = f"{alice.user_id}\n{bob.user_id}\nno-such-person\n"

    dry_run = synadmin("device", "delete-all", "--from", "-", "--dry-run", "-o", "ndjson", stdin=users)
    before = len(device_names(homeserver, alice))
    done = synadmin("device", "delete-all", "--from", "-", "--yes", stdin=users)

    planned = [json.loads(line) for line in dry_run.stdout.splitlines()]
    assert [one["outcome"] for one in planned] == ["planned", "planned", "failed"]
    assert len(planned[0]["body"]["devices"]) == before == 2
    assert done.code == 6
    assert device_names(homeserver, alice) == device_names(homeserver, bob) == {}


def test_unused_since_deletes_only_devices_without_recent_use(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    current_device = alice.synapse.client_server.whoami().device_id
    old = sign_in(homeserver, alice, "Old phone")
    with closing(sqlite3.connect(homeserver.directory / "homeserver.db", timeout=10)) as database:
        statement = "UPDATE devices SET last_seen = 1000, ip = '127.0.0.1' WHERE device_id = ?"
        database.execute(statement, (old,))
        database.commit()

    done = synadmin("device", "delete-all", alice.user_id, "--unused-since", "90d", "--yes", "-o", "ndjson")

    assert json.loads(done.stdout)["devices"] == [old]
    assert device_names(homeserver, alice).keys() == {current_device}


def test_current_session_is_kept_when_all_others_are_deleted(
    homeserver: Homeserver, synadmin: Synadmin
) -> None:
    third = homeserver.register("third-admin", admin=True)
    phone = sign_in(homeserver, third, "Phone")

    done = synadmin("device", "delete-all", "third-admin", "--yes", "-o", "ndjson", acting=third)

    assert json.loads(done.stdout)["devices"] == [phone]
    assert third.synapse.client_server.whoami().user_id == third.user_id

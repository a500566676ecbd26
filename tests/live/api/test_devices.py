"""Devices, through the library and through the commands, on a real Synapse."""

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

ODD = "BRIDGE/two+1=%2F?#"


def sign_in(homeserver: Homeserver, person: Person, name: str) -> str:
    with Synapse(homeserver.url) as synapse:
        session = synapse.client_server.login(person.user_id, homeserver.password, device_name=name)
    assert session.device_id is not None
    return session.device_id


def names(homeserver: Homeserver, person: Person) -> dict[str, str | None]:
    devices = homeserver.admin.synapse.devices.list(person.user_id).devices
    return {device.device_id: device.display_name for device in devices}


def test_devices_with_any_id_are_created_renamed_and_deleted(
    homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice = newcomer()
    devices = homeserver.admin.synapse.devices
    own = alice.synapse.client_server.whoami().device_id
    phone = sign_in(homeserver, alice, "Phone")

    devices.create(alice.user_id, ODD)
    devices.modify(alice.user_id, ODD, display_name="Bridge")
    shown = devices.get(alice.user_id, ODD)
    all_of_them = devices.list(alice.user_id)
    devices.delete(alice.user_id, ODD)
    devices.delete_many(alice.user_id, [phone])

    assert (shown.device_id, shown.display_name, shown.user_id) == (ODD, "Bridge", alice.user_id)
    assert all_of_them.total == 3
    assert names(homeserver, alice).keys() == {own}
    with pytest.raises(NotFoundError):
        devices.get(alice.user_id, ODD)


def test_commands_for_one_device_read_back_the_change(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    user = alice.user_id

    made = synadmin("device", "create", user, ODD, "SECOND")
    renamed = synadmin("device", "rename", user, ODD, "Old bridge")
    listed = json.loads(synadmin("device", "list", user, "-o", "json").stdout)
    shown = json.loads(synadmin("device", "show", user, ODD, "-o", "json").stdout)
    asked = synadmin("device", "delete", user, ODD)
    deleted = synadmin("device", "delete", user, ODD, "UNKNOWN", "--yes", "-o", "ndjson")

    assert made.code == renamed.code == 0
    assert len(listed) == 3
    assert shown == next(device for device in listed if device["device_id"] == ODD)
    assert shown["display_name"] == "Old bridge"
    assert asked.code == 2
    assert deleted.code == 6
    outcomes = [json.loads(line) for line in deleted.stdout.splitlines()]
    assert [(one["device_id"], one["outcome"]) for one in outcomes] == [(ODD, "done"), ("UNKNOWN", "failed")]
    assert ODD not in names(homeserver, alice)
    assert synadmin("device", "show", user, "UNKNOWN").code == 4
    assert synadmin("device", "rename", user, "UNKNOWN", "x", "--dry-run").code == 4


def test_all_devices_of_listed_users_are_deleted(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    sign_in(homeserver, alice, "Phone")
    users = f"{alice.user_id}\n{bob.user_id}\nno-such-person\n"

    rehearsed = synadmin("device", "delete-all", "--from", "-", "--dry-run", "-o", "ndjson", stdin=users)
    before = len(names(homeserver, alice))
    done = synadmin("device", "delete-all", "--from", "-", "--yes", stdin=users)

    planned = [json.loads(line) for line in rehearsed.stdout.splitlines()]
    assert [one["outcome"] for one in planned] == ["planned", "planned", "failed"]
    assert len(planned[0]["body"]["devices"]) == before == 2
    assert done.code == 6
    assert names(homeserver, alice) == names(homeserver, bob) == {}


def test_unused_since_deletes_only_devices_without_recent_use(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    own = alice.synapse.client_server.whoami().device_id
    old = sign_in(homeserver, alice, "Old phone")
    with closing(sqlite3.connect(homeserver.directory / "homeserver.db", timeout=10)) as database:
        seen = "UPDATE devices SET last_seen = 1000, ip = '127.0.0.1' WHERE device_id = ?"
        database.execute(seen, (old,))
        database.commit()

    done = synadmin("device", "delete-all", alice.user_id, "--unused-since", "90d", "--yes", "-o", "ndjson")

    assert json.loads(done.stdout)["devices"] == [old]
    assert names(homeserver, alice).keys() == {own}


def test_current_session_is_kept_when_all_others_are_deleted(
    homeserver: Homeserver, synadmin: Synadmin
) -> None:
    third = homeserver.register("third-admin", admin=True)
    phone = sign_in(homeserver, third, "Phone")

    done = synadmin("device", "delete-all", "third-admin", "--yes", "-o", "ndjson", acting=third)

    assert json.loads(done.stdout)["devices"] == [phone]
    assert third.synapse.client_server.whoami().user_id == third.user_id

"""The client: its attributes are the resource groups, which are imported on first use."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import synadmin
from synadmin import Synapse
from synadmin.errors import NotAuthenticatedError, SettingsError
from synadmin.http.group import ResourceGroup
from synadmin.ids import RoomId, UserId
from synadmin.journal import Journal, entries
from synadmin.mas.oauth import OAuth
from synadmin.mas.service import Mas
from tests.unit.api.test_groups import MODULES, group_of
from tests.unit.stub import ADMIN, WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from tests.unit.stub import Stub


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.removeprefix("synadmin."))
def test_every_group_has_the_name_of_its_file(module: ModuleType) -> None:
    _, package, name = module.__name__.split(".")
    with Synapse("https://matrix.example.org") as synapse:
        metadata = {"token_endpoint": "https://mas.example.org/oauth2/token"}
        mas = Mas(synapse.transport, OAuth(synapse.transport, metadata))
        client = mas if package == "mas" else synapse
        group = getattr(client, name)
        assert type(group) is group_of(module)
        assert isinstance(group, ResourceGroup)
        assert group.transport is client.transport


def test_package_import_is_lazy() -> None:
    program = (
        "import sys, synadmin\n"
        "assert not {'requests', 'msgspec', 'click', 'json'} & set(sys.modules), 'on import'\n"
        "synapse = synadmin.Synapse('https://matrix.example.org')\n"
        "assert not [name for name in sys.modules if name.startswith('synadmin.api')], 'before first use'\n"
        "synapse.rooms\n"
        "assert 'synadmin.api.users' not in sys.modules\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_unknown_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'synadmin' has no attribute 'Dendrite'"):
        _ = synadmin.Dendrite


def test_readme_example_works(stub: Stub) -> None:
    room = {"room_id": "!a", "joined_members": 3, "new_field": [1]}
    stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [room], "total_rooms": 1}))
    with Synapse(stub.url, token="syt_x") as synapse:
        rooms = list(synapse.rooms.list(search="club"))
    assert [(room.room_id, room.joined_members) for room in rooms] == [("!a", 3)]
    assert rooms[0].as_sent() == room


def test_repr_has_no_token() -> None:
    with Synapse("https://matrix.example.org", token="syt_secret") as synapse:
        assert repr(synapse) == "Synapse('https://matrix.example.org')"
        assert "syt_secret" not in repr(vars(synapse))


@pytest.mark.parametrize(
    "url", ["matrix.example.org", "https://matrix.example.org/?path", "http://matrix.example.org"]
)
def test_invalid_base_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError):
        Synapse(url)


def test_owner_is_the_user_of_the_token(stub: Stub) -> None:
    with Synapse(stub.url, token="syt_x") as synapse:
        assert synapse.owner == ADMIN
    stub.on(WHOAMI, refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    with Synapse(stub.url, token="syt_old") as synapse, pytest.raises(NotAuthenticatedError):
        _ = synapse.owner


def test_client_of_another_user_is_separate(stub: Stub, tmp_path: Path) -> None:
    stub.on("*", json_reply({}))
    file = tmp_path / "journal.sqlite3"
    with Synapse(stub.url, token="syt_admin", journal=Journal(file)) as synapse:
        bob = synapse.as_user(UserId("@bob:example.org"), "syt_bob")
        with bob:
            bob.client_server.leave(RoomId("!a"))
        synapse.users.delete_ratelimit(UserId(ADMIN))
    assert [request.headers["authorization"] for request in stub.requests if request.target != WHOAMI] == [
        "Bearer syt_bob",
        "Bearer syt_admin",
    ]
    assert [(line["user"], line["on_behalf_of"]) for line in entries(file)] == [
        (ADMIN, "@bob:example.org"),
        (ADMIN, None),
    ]

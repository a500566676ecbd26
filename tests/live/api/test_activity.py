"""Activity and data of users, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from synadmin.ids import encoded

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def set_account_data(person: Person, kind: str, content: dict[str, Any], *, room: str | None = None) -> None:
    place = f"rooms/{encoded(room)}/" if room else ""
    path = f"/_matrix/client/v3/user/{encoded(person.user_id)}/{place}account_data/{kind}"
    person.call("PUT", path, content)


def test_whois_shows_address_and_client(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    alice.synapse.client_server.whoami()

    known = homeserver.admin.synapse.activity.whois(alice.user_id)
    whole = json.loads(synadmin("user", "whois", alice.user_id, "-o", "json").stdout)
    line = json.loads(synadmin("user", "whois", alice.user_id, "-o", "ndjson").stdout)

    (connection,) = known.devices[""].sessions[0].connections
    assert connection.ip == "127.0.0.1"
    assert connection.user_agent is not None
    assert abs((connection.last_seen or 0) / 1000 - time.time()) < 300
    assert whole == known.as_sent()
    assert (line["user_id"], line["ip"], line["device_id"]) == (alice.user_id, "127.0.0.1", None)


def test_rooms_and_invitations_of_a_user_are_listed_and_counted(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob, carol = newcomer("alice"), newcomer("bob"), newcomer("carol")
    before = int(time.time() * 1000) - 1000
    room_id = alice.make_room("Kept", members=[bob], invited=[carol])
    alice.make_room("Left", left=[alice], members=[bob])
    activity = homeserver.admin.synapse.activity

    rooms = activity.joined_rooms(alice.user_id)
    listed = json.loads(synadmin("user", "joined-rooms", alice.user_id, "-o", "json").stdout)
    sent = json.loads(synadmin("user", "invites-sent", alice.user_id, "--since", "1h", "-o", "json").stdout)
    joined = json.loads(synadmin("user", "joined-count", alice.user_id, "-o", "json").stdout)

    assert (rooms.joined_rooms, rooms.total) == ((room_id,), 1)
    assert listed == [{"room_id": room_id}]
    assert activity.sent_invite_count(alice.user_id, from_ts=before).invite_count == 3
    assert activity.sent_invite_count(alice.user_id, from_ts=before + 3_600_000).invite_count == 0
    assert activity.joined_room_count(alice.user_id, from_ts=before).cumulative_joined_room_count == 2
    assert sent["invite_count"] == 3
    assert joined == {"user_id": alice.user_id, "from_ts": 0, "cumulative_joined_room_count": 2}


def test_account_data_is_shown_with_its_room(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    room_id = alice.make_room()
    set_account_data(alice, "org.example.colour", {"colour": "green"})
    set_account_data(alice, "m.fully_read_not", {"event": "x"}, room=room_id)

    known = homeserver.admin.synapse.activity.account_data(alice.user_id).account_data
    command = ["user", "account-data", alice.user_id, "-o", "ndjson", "--type"]
    everywhere = json.loads(synadmin(*command, "org.example.colour").stdout)
    in_room = json.loads(synadmin(*command, "m.fully_read_not").stdout)

    assert known.everywhere["org.example.colour"] == {"colour": "green"}
    assert known.rooms[room_id]["m.fully_read_not"] == {"event": "x"}
    assert everywhere == {"room_id": None, "type": "org.example.colour", "content": {"colour": "green"}}
    assert in_room == {"room_id": room_id, "type": "m.fully_read_not", "content": {"event": "x"}}
    assert synadmin("user", "account-data", "no-such-person").code == 4


def test_pushers_are_listed_with_their_destination(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    pusher = {
        "kind": "http",
        "app_id": "org.example.app",
        "app_display_name": "Example",
        "device_display_name": "Alice's phone",
        "pushkey": "key/of=alice+1",
        "lang": "en",
        "data": {"url": "https://push.example.org/_matrix/push/v1/notify"},
    }
    alice.call("POST", "/_matrix/client/v3/pushers/set", pusher)

    known = homeserver.admin.synapse.activity.pushers(alice.user_id)
    listed = json.loads(synadmin("user", "pushers", alice.user_id, "-o", "json").stdout)
    table = synadmin("user", "pushers", alice.user_id).stdout

    assert known.total == 1
    assert known.pushers[0].pushkey == "key/of=alice+1"
    assert known.pushers[0].enabled
    assert pusher.items() <= listed[0].items()
    assert "https://push.example.org/_matrix/push/v1/notify" in table

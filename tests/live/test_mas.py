"""Refuse changes that the Matrix Authentication Service manages: in Synapse they would have no effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from tests.live.recovery.proxy import Proxy

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.delegated import Delegated
    from tests.live.recovery.proxy import Passing

MANAGED = [
    (("user", "lock", "rose"), "mas-cli manage lock-user rose"),
    (("user", "unlock", "rose"), "mas-cli manage unlock-user rose"),
    (("user", "deactivate", "rose"), "mas-cli manage lock-user rose --deactivate"),
    (("user", "reactivate", "rose"), "mas-cli manage unlock-user rose --reactivate"),
    (("user", "password", "rose"), "mas-cli manage set-password rose PASSWORD"),
    (("user", "admin", "grant", "rose"), "mas-cli manage promote-admin rose"),
    (("user", "admin", "revoke", "rose"), "mas-cli manage demote-admin rose"),
    (("user", "create", "violet"), "mas-cli manage register-user violet"),
    (("user", "create", "rose", "--modify", "--admin"), "mas-cli manage register-user rose"),
    (("user", "modify", "rose", "--add-threepid", "email", "r@x.org"), "mas-cli manage add-email rose"),
    (("user", "modify", "rose", "--remove-threepid", "email", "r@x.org"), "account page of MAS"),
    (("user", "modify", "rose", "--add-external-id", "oidc-x", "rose"), "synadmin user link"),
    (("user", "modify", "rose", "--remove-external-id", "oidc-x", "rose"), "synadmin user link"),
    (("user", "modify", "rose", "--not-approved"), "mas-cli manage lock-user rose"),
    (("user", "lock", "rose", "violet"), "mas-cli manage lock-user USERNAME"),
]


@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",)], ids=["run", "dry-run"])
def test_changes_that_mas_manages_are_refused_before_any_request(
    delegated: Delegated, synadmin: Synadmin, options: tuple[str, ...]
) -> None:
    rose = delegated.someone("rose")
    before = delegated.admin.synapse.users.get(rose.user_id).as_sent()
    for arguments, command in MANAGED if options == ("--yes",) else MANAGED[::4]:
        sent = len(delegated.server.processed())
        answer = synadmin(
            *arguments, *options, server=delegated.server, acting=delegated.admin, stdin="new-password\n"
        )
        assert (answer.code, answer.stdout) == (5, ""), (arguments, answer)
        assert "Matrix Authentication Service" in answer.stderr
        assert command in answer.stderr, arguments
        assert {request.method for request in delegated.server.processed()[sent:]} <= {"GET"}, arguments
    after = delegated.admin.synapse.users.get(rose.user_id).as_sent()
    assert {**after, "last_seen_ts": before["last_seen_ts"]} == before
    with pytest.raises(NotFoundError):
        delegated.admin.synapse.users.get(delegated.server.user_id("violet"))
    assert rose.synapse.client_server.whoami().user_id == rose.user_id


def test_changes_that_synapse_manages_are_done_under_mas(delegated: Delegated, synadmin: Synadmin) -> None:
    lily = delegated.someone("lily")
    arguments = ("user", "suspend", "lily", "--yes", "-o", "json")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    assert delegated.admin.synapse.users.get(lily.user_id).suspended


def test_display_name_and_phone_number_are_changed_in_synapse(
    delegated: Delegated, synadmin: Synadmin
) -> None:
    delegated.someone("daisy")
    arguments = (
        "user",
        "modify",
        "daisy",
        "--displayname",
        "Daisy",
        "--add-threepid",
        "msisdn",
        "44123456789",
    )
    answer = synadmin(*arguments, "--yes", server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    daisy = delegated.admin.synapse.users.get(delegated.server.user_id("daisy"))
    addresses = [threepid.address for threepid in daisy.threepids]
    assert (daisy.displayname, addresses) == ("Daisy", ["44123456789"])


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry-run"])
def test_logout_says_that_the_session_continues(
    delegated: Delegated, synadmin: Synadmin, options: tuple[str, ...]
) -> None:
    sent = len(delegated.server.processed())
    answer = synadmin("logout", *options, server=delegated.server, acting=delegated.admin)
    assert answer.code == (0 if options else 5), answer
    assert "its token is still valid" in answer.stderr
    assert "mas-cli manage kill-sessions admin" in answer.stderr
    assert "signed out" not in answer.stdout + answer.stderr
    assert "end the session" not in answer.stdout
    assert {request.method for request in delegated.server.processed()[sent:]} <= {"GET"}
    assert delegated.admin.synapse.client_server.whoami().user_id == delegated.admin.user_id


@pytest.mark.parametrize(
    "arguments", [("user", "lock", "rose", "--yes"), ("logout",)], ids=["user lock", "logout"]
)
def test_unreachable_mas_is_reported_in_one_sentence(
    delegated: Delegated, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    rose = delegated.someone("rose")

    def on_request(passing: Passing) -> int | None:
        return 500 if "auth_metadata" in passing.path else None

    with Proxy(delegated.server.url, on_request) as proxy:
        here = {"SYNADMIN_HOMESERVER": proxy.here}
        answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin, env=here)
        assert {request.method for request in proxy.requests} == {"GET"}
    assert answer.code == 1, answer
    words = "the server does not say whether the Matrix Authentication Service (MAS) manages the accounts:"
    assert " ".join(answer.stderr.split()).startswith(f"synadmin: {words}")
    assert "Traceback" not in answer.stderr
    assert not delegated.admin.synapse.users.get(rose.user_id).locked


def test_account_change_without_mas_checks_for_mas_once(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    guest = newcomer("guest")
    sent = len(homeserver.processed())
    answer = synadmin("user", "lock", guest.user_id, "--yes")
    asked = [request.uri for request in homeserver.processed()[sent:] if "auth_metadata" in request.uri]
    assert answer.code == 0, answer.stderr
    assert homeserver.admin.synapse.users.get(guest.user_id).locked
    assert asked == ["/_matrix/client/v1/auth_metadata"]


def test_make_admin_without_mas_sends_no_extra_request(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    easy, hard = alice.make_room(), alice.make_room(members=[bob], left=[alice])
    for room_id, options, asked in ((easy, (), 0), (hard, ("--allow", "impersonate"), 1)):
        sent = len(homeserver.processed())
        answer = synadmin("room", "make-admin", room_id, *options, "--yes")
        assert answer.code == 0, answer.stderr
        uris = [request.uri for request in homeserver.processed()[sent:]]
        assert len([uri for uri in uris if "auth_metadata" in uri]) == asked, uris
        assert not [uri for uri in uris if "/api/admin/v1" in uri or "oauth2" in uri]


def test_token_without_a_device_sends_notices(delegated: Delegated, synadmin: Synadmin) -> None:
    delegated.someone("iris")
    answer = synadmin(
        *("notice", "send", "iris", "-m", "The disk is full.", "-o", "json"),
        server=delegated.server,
        acting=delegated.admin,
    )
    assert answer.code == 0, answer.stderr
    (record,) = json.loads(answer.stdout)
    event = delegated.admin.synapse.events.fetch(record["event_id"]).event
    assert (event.room_id, event.content["body"]) == (record["room_id"], "The disk is full.")


def test_transaction_id_without_a_device_is_refused(delegated: Delegated, synadmin: Synadmin) -> None:
    answer = synadmin(
        *("notice", "send", "nobody", "-m", "x", "--transaction-id", "7"),
        server=delegated.server,
        acting=delegated.admin,
    )
    assert answer.code == 5
    assert "no device" in answer.stderr


def test_audit_notifies_without_a_device(delegated: Delegated, synadmin: Synadmin) -> None:
    room_id = delegated.admin.make_room("ops")
    poppy = delegated.someone("poppy")
    poppy.make_room("Without control", members=[delegated.someone("fern")], left=[poppy])
    answer = synadmin(
        *("audit", "server", "rooms", "--notify", room_id, "--fail-on", "never"),
        server=delegated.server,
        acting=delegated.admin,
    )
    assert answer.code == 0, answer.stderr
    path = f"/_matrix/client/v3/rooms/{room_id}/messages"
    events = delegated.admin.call("GET", path, query={"dir": "b", "limit": 5})["chunk"]
    posted = [event for event in events if event["type"] == "m.room.message"]
    assert posted, answer.stdout
    assert posted[0]["sender"] == delegated.admin.user_id

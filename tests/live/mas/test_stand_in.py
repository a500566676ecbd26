"""The stand-in and Synapse behave together as a real MAS and Synapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError
from synadmin.ids import encoded
from tests.live.mas.world import API

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from tests.live.mas.world import MasHomeserver


def token_error(person: Person) -> str | None:
    """Return the errcode with which Synapse refuses the token of a user, or None if it accepts the token."""
    try:
        person.synapse.client_server.whoami()
    except MatrixError as error:
        return error.errcode
    return None


def test_token_with_all_scopes_is_accepted_by_both_admin_apis(mas_homeserver: MasHomeserver) -> None:
    admin = mas_homeserver.admin
    path = f"/_synapse/admin/v2/users/{encoded(admin.user_id)}"
    assert admin.call("GET", path)["name"] == admin.user_id
    assert mas_homeserver.user(admin)["admin"] is True


def test_locked_user_is_refused_by_mas_and_synapse(mas_homeserver: MasHomeserver) -> None:
    alice = mas_homeserver.new_user()
    user = mas_homeserver.user(alice)
    mas_homeserver.api("POST", f"/users/{user['id']}/lock")
    assert token_error(alice) == "M_UNKNOWN_TOKEN"
    admin = mas_homeserver.admin
    mas_homeserver.wait_until(lambda: bool(admin.synapse.users.get(alice.user_id).locked))
    mas_homeserver.api("POST", f"/users/{user['id']}/unlock")
    mas_homeserver.wait_until(lambda: not admin.synapse.users.get(alice.user_id).locked)


def test_deactivated_user_is_refused_and_leaves_rooms(mas_homeserver: MasHomeserver) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob])
    user = mas_homeserver.user(alice)
    mas_homeserver.api("POST", f"/users/{user['id']}/deactivate", {"skip_erase": True})
    admin = mas_homeserver.admin
    mas_homeserver.wait_until(lambda: bool(admin.synapse.users.get(alice.user_id).deactivated))
    mas_homeserver.wait_until(lambda: admin.membership(room_id, alice) == "leave")
    assert not admin.synapse.users.get(alice.user_id).erased
    assert token_error(alice) == "M_UNKNOWN_TOKEN"
    refused = mas_homeserver.ask(
        "POST", "/personal-sessions", {"actor_user_id": user["id"], "human_name": "x", "scope": API}
    )
    assert refused.status == 410
    mas_homeserver.api("POST", f"/users/{user['id']}/reactivate")
    assert not admin.synapse.users.get(alice.user_id).deactivated


def test_personal_session_acts_as_a_user_without_a_device(mas_homeserver: MasHomeserver) -> None:
    alice = mas_homeserver.new_user()
    token = mas_homeserver.personal_token(mas_homeserver.user(alice)["id"], API, expires_in=600)
    path = f"/_synapse/admin/v2/users/{encoded(alice.user_id)}/devices"
    before = mas_homeserver.admin.call("GET", path)["total"]
    acting = type(alice)(mas_homeserver.server.url, alice.user_id, token)
    try:
        person = acting.synapse.client_server.whoami()
        assert (person.user_id, person.device_id) == (alice.user_id, None)
    finally:
        acting.close()
    assert mas_homeserver.admin.call("GET", path)["total"] == before


@pytest.mark.parametrize("scope", ["urn:matrix:client:api:*", "urn:synapse:admin:*"])
def test_client_without_a_user_gets_no_user_scope(mas_homeserver: MasHomeserver, scope: str) -> None:
    form = {"grant_type": "client_credentials", "scope": scope}
    reply = mas_homeserver.oauth_reply("token", form, client=mas_homeserver.client)
    assert (reply.status, reply.json["error"]) == (403, "invalid_scope")

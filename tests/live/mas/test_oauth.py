"""OAuth of MAS: device codes, client credentials and refresh tokens.

These tests can run against a real MAS: see ``tests/live/mas/world.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.sandbox.accounts import Person
from tests.live.mas.browser import allow
from tests.live.mas.world import ALL_SCOPES, API, DEVICE_CODE, MAS_ADMIN

if TYPE_CHECKING:
    from tests.live.mas.world import MasHomeserver

DEVICE = "urn:matrix:client:device:ABCDEFGHIJ"


def start_sign_in(mas: MasHomeserver, scope: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Start a sign-in; return the grant, and the form that requests its tokens."""
    client_id = mas.register_client()
    grant = mas.oauth("device", {"client_id": client_id, "scope": scope})
    return grant, {"grant_type": DEVICE_CODE, "device_code": grant["device_code"], "client_id": client_id}


def token_error(mas: MasHomeserver, form: dict[str, str]) -> tuple[int, str]:
    reply = mas.oauth_reply("token", form)
    return reply.status, reply.json.get("error", "")


def test_device_code_is_pending_then_exchanged_once(mas_homeserver: MasHomeserver) -> None:
    username, password = mas_homeserver.new_user_with_password(admin=True)
    grant, form = start_sign_in(mas_homeserver, ALL_SCOPES)
    assert (grant["expires_in"], grant["interval"]) == (1200, 5)
    assert len(grant["user_code"]) == 6
    assert "verification_uri_complete" not in grant
    assert token_error(mas_homeserver, form) == (403, "authorization_pending")
    allow(mas_homeserver.url, grant["user_code"], username, password)
    tokens = mas_homeserver.oauth("token", form)
    assert set(tokens["scope"].split()) == set(ALL_SCOPES.split())
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)
    assert token_error(mas_homeserver, form) == (400, "invalid_grant")
    who = mas_homeserver.introspect(tokens["access_token"])
    assert (who["active"], who["username"]) == (True, username)
    assert mas_homeserver.ask("GET", "/version", token=tokens["access_token"]).status == 200


def test_denied_device_code_is_answered_as_denied(mas_homeserver: MasHomeserver) -> None:
    username, password = mas_homeserver.new_user_with_password()
    grant, form = start_sign_in(mas_homeserver, API)
    allow(mas_homeserver.url, grant["user_code"], username, password, deny=True)
    assert token_error(mas_homeserver, form) == (403, "access_denied")


def test_user_without_admin_rights_gets_no_admin_scope(mas_homeserver: MasHomeserver) -> None:
    username, password = mas_homeserver.new_user_with_password()
    grant, form = start_sign_in(mas_homeserver, ALL_SCOPES)
    allow(mas_homeserver.url, grant["user_code"], username, password)
    assert token_error(mas_homeserver, form) == (403, "authorization_pending")


def test_device_of_the_scope_is_created_in_synapse(mas_homeserver: MasHomeserver) -> None:
    username, password = mas_homeserver.new_user_with_password()
    tokens = mas_homeserver.sign_in_with_device_code(username, password, f"{API} {DEVICE}")
    user_id = mas_homeserver.server.user_id(username)
    person = Person(mas_homeserver.server.url, user_id, tokens["access_token"])
    try:
        assert person.synapse.client_server.whoami().device_id == "ABCDEFGHIJ"
    finally:
        person.close()
    mas_homeserver.oauth_reply("revoke", {"token": tokens["access_token"], "client_id": tokens["client_id"]})
    devices = mas_homeserver.admin.synapse.devices
    mas_homeserver.wait_until(lambda: not devices.list(user_id).devices)


def test_refresh_tokens_rotate(mas_homeserver: MasHomeserver) -> None:
    username, password = mas_homeserver.new_user_with_password()
    tokens = mas_homeserver.sign_in_with_device_code(username, password, API)
    form = {"grant_type": "refresh_token", "client_id": tokens["client_id"]}

    def refresh(token: str) -> Any:  # noqa: ANN401
        return mas_homeserver.oauth("token", {**form, "refresh_token": token})

    first = refresh(tokens["refresh_token"])
    assert not mas_homeserver.introspect(tokens["access_token"])["active"]
    # The client may not have received the answer: the old refresh token is valid until a new token is used.
    second = refresh(tokens["refresh_token"])
    assert not mas_homeserver.introspect(first["access_token"])["active"]
    assert refresh(first["refresh_token"])["error"] == "invalid_grant"
    assert mas_homeserver.introspect(second["access_token"])["active"]
    assert refresh(tokens["refresh_token"])["error"] == "invalid_grant"
    third = refresh(second["refresh_token"])
    mas_homeserver.oauth_reply("revoke", {"token": third["refresh_token"], "client_id": tokens["client_id"]})
    assert not mas_homeserver.introspect(third["access_token"])["active"]


def test_client_credentials_give_a_token_without_a_user(mas_homeserver: MasHomeserver) -> None:
    form = {"grant_type": "client_credentials", "scope": MAS_ADMIN}
    tokens = mas_homeserver.oauth("token", form, client=mas_homeserver.client)
    assert "refresh_token" not in tokens
    assert mas_homeserver.ask("GET", "/version", token=tokens["access_token"]).status == 200
    assert "username" not in mas_homeserver.introspect(tokens["access_token"])
    wrong = (mas_homeserver.client[0], "wrong")
    reply = mas_homeserver.oauth_reply("token", form, client=wrong)
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")


def test_equal_client_metadata_gives_one_client(mas_homeserver: MasHomeserver) -> None:
    assert mas_homeserver.register_client() == mas_homeserver.register_client()


@pytest.mark.parametrize("uri", ["", "http://example.org/", "https://localhost/"])
def test_client_needs_a_public_redirect_uri(mas_homeserver: MasHomeserver, uri: str) -> None:
    metadata = {"client_name": "x", "client_uri": uri, "grant_types": [DEVICE_CODE], "response_types": []}
    reply = mas_homeserver.send("POST", "oauth2/registration", metadata)
    assert (reply.status, reply.json["error"]) == (400, "invalid_client_metadata")

"""Requests for each of the 47 operations of the admin API of MAS, with their most common errors.

These tests can run against a real MAS: see ``tests/live/mas/world.py``.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.sandbox.mas.admin import ROUTES
from tests.live.mas.description import BASE, description, openapi_document, operation_of, schema_of
from tests.live.mas.world import API, MAS_ADMIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.live.mas.world import MasHomeserver

UNKNOWN_ID = "01FV1XT8X1CXW4FAXT9SH13TVF"  # no object has this id


class CheckedRequests:
    """Sends requests, checks the status of each answer, and records the requested operations."""

    def __init__(self, mas: MasHomeserver) -> None:
        self.mas = mas
        self.operations: set[str] = set()

    def __call__(
        self,
        status: int,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401
        /,
        **query: str,
    ) -> Any:  # noqa: ANN401
        named = {f"filter[{name.replace('__', '-')}]": value for name, value in query.items()}
        reply = self.mas.ask(method, path, body, query=named)
        assert reply.status == status, (method, path, body, reply)
        operation = operation_of(method, BASE + path)
        assert operation is not None
        self.operations.add(operation)
        return reply.json

    def ids(self, path: str, **query: str) -> list[str]:
        """Return the ids of the items of a list."""
        return [one["id"] for one in self(200, "GET", path, **query)["data"]]


def users(ask: CheckedRequests) -> None:
    name = f"rose-{secrets.token_hex(4)}"
    rose = ask(201, "POST", "/users", {"username": name, "displayname": "Rose"})["data"]["id"]
    ask(409, "POST", "/users", {"username": name})
    ask(400, "POST", "/users", {"username": "_rose"})
    ask(409, "POST", "/users", {"username": "notices"})
    assert ask(200, "GET", f"/users/by-username/{name.upper()}")["data"]["id"] == rose
    ask(404, "GET", "/users/by-username/nobody")
    assert ask(200, "GET", f"/users/{rose}")["data"]["attributes"]["username"] == name
    ask(404, "GET", f"/users/{UNKNOWN_ID}")
    ask(400, "GET", "/users/rose")
    ask(204, "POST", f"/users/{rose}/set-password", {"password": "a long one with 7 words"})
    for admin in (True, False):
        assert (
            ask(200, "POST", f"/users/{rose}/set-admin", {"admin": admin})["data"]["attributes"]["admin"]
            is admin
        )
    changes = [("lock", "locked_at", True), ("unlock", "locked_at", False)]
    for verb, field, is_set in [*changes, ("deactivate", "deactivated_at", True)]:
        for _ in range(2):  # a repetition is not an error
            attributes = ask(200, "POST", f"/users/{rose}/{verb}")["data"]["attributes"]
            assert (attributes[field] is not None) is is_set
    assert ask.ids("/users", search=name, status="deactivated") == [rose]
    assert ask.ids("/users", search=name, status="active") == []
    accounts, user_id = ask.mas.admin.synapse.users, ask.mas.server.user_id(name)
    ask.mas.wait_until(lambda: bool(accounts.get(user_id).deactivated))
    assert ask(200, "POST", f"/users/{rose}/reactivate")["data"]["attributes"]["deactivated_at"] is None
    for verb in ("lock", "unlock", "deactivate", "reactivate"):
        ask(404, "POST", f"/users/{UNKNOWN_ID}/{verb}")


def emails(ask: CheckedRequests) -> None:
    rose = ask.mas.user(ask.mas.new_user("rose"))["id"]
    address = f"{rose.lower()}@example.org"
    email = ask(201, "POST", "/user-emails", {"user_id": rose, "email": address})["data"]["id"]
    ask(409, "POST", "/user-emails", {"user_id": rose, "email": address})
    ask(404, "POST", "/user-emails", {"user_id": UNKNOWN_ID, "email": "x@example.org"})
    assert ask.ids("/user-emails", user=rose) == ask.ids("/user-emails", email=address) == [email]
    assert ask(200, "GET", f"/user-emails/{email}")["data"]["attributes"]["email"] == address
    ask(204, "DELETE", f"/user-emails/{email}")
    ask(404, "DELETE", f"/user-emails/{email}")
    ask(404, "GET", f"/user-emails/{email}")


def personal_sessions(ask: CheckedRequests) -> None:
    rose = ask.mas.user(ask.mas.new_user("rose"))["id"]
    body = {"actor_user_id": rose, "human_name": "a test", "scope": API, "expires_in": 60}
    created = ask(201, "POST", "/personal-sessions", body)["data"]
    assert created["attributes"]["access_token"].startswith("mpt_")
    ask(404, "POST", "/personal-sessions", {**body, "actor_user_id": UNKNOWN_ID})
    ask(400, "POST", "/personal-sessions", {**body, "scope": 'a"b'})
    session = created["id"]
    assert ask.ids("/personal-sessions", actor_user=rose, status="active", expires="true") == [session]
    assert "access_token" not in ask(200, "GET", f"/personal-sessions/{session}")["data"]["attributes"]
    ask(404, "GET", f"/personal-sessions/{UNKNOWN_ID}")
    ask(201, "POST", f"/personal-sessions/{session}/regenerate", {"expires_in": 30})
    assert ask(200, "POST", f"/personal-sessions/{session}/revoke")["data"]["attributes"]["revoked_at"]
    ask(409, "POST", f"/personal-sessions/{session}/revoke")
    ask(422, "POST", f"/personal-sessions/{session}/regenerate", {})
    assert ask.ids("/personal-sessions", actor_user=rose, status="active") == []


def sessions(ask: CheckedRequests) -> None:
    rose = ask.mas.user(ask.mas.new_user("rose"))["id"]
    (compat,) = ask.ids("/compat-sessions", user=rose, status="active")
    ask(200, "GET", f"/compat-sessions/{compat}")
    ask(200, "POST", f"/compat-sessions/{compat}/finish")
    ask(400, "POST", f"/compat-sessions/{compat}/finish")
    assert ask.ids("/compat-sessions", user=rose, status="finished") == [compat]
    username, password = ask.mas.new_user_with_password("rose")
    tokens = ask.mas.sign_in_with_device_code(username, password, API)
    rose = ask.mas.user(username)["id"]
    (oauth,) = ask.ids("/oauth2-sessions", user=rose, scope=API, client__kind="dynamic")
    client = ask(200, "GET", f"/oauth2-sessions/{oauth}")["data"]["attributes"]["client_id"]
    assert client == tokens["client_id"]
    assert ask(200, "GET", f"/oauth2-clients/{client}")["data"]["attributes"]["client_name"] == "synadmin"
    ask(404, "GET", f"/oauth2-clients/{UNKNOWN_ID}")
    assert ask.mas.client[0] in ask.ids("/oauth2-clients", client__kind="static")
    ask(200, "POST", f"/oauth2-sessions/{oauth}/finish")
    ask(400, "POST", f"/oauth2-sessions/{oauth}/finish")
    (browser,) = ask.ids("/user-sessions", user=rose, status="active")
    ask(200, "GET", f"/user-sessions/{browser}")
    ask(200, "POST", f"/user-sessions/{browser}/finish")
    ask(400, "POST", f"/user-sessions/{browser}/finish")
    for kind in ("compat", "oauth2", "user"):
        ask(404, "GET", f"/{kind}-sessions/{UNKNOWN_ID}")
        ask(404, "POST", f"/{kind}-sessions/{UNKNOWN_ID}/finish")
        ask(404, "GET", f"/{kind}-sessions", user=UNKNOWN_ID)


def registration_tokens(ask: CheckedRequests) -> None:
    name = f"token-{secrets.token_hex(4)}"
    body = {"token": name, "usage_limit": 2, "expires_at": "2100-01-01T00:00:00Z"}
    token = ask(201, "POST", "/user-registration-tokens", body)["data"]["id"]
    ask(409, "POST", "/user-registration-tokens", body)
    assert ask(200, "GET", f"/user-registration-tokens/{token}")["data"]["attributes"]["valid"] is True
    changed = ask(200, "PUT", f"/user-registration-tokens/{token}", {"usage_limit": None})["data"][
        "attributes"
    ]
    assert (changed["usage_limit"], changed["expires_at"]) == (None, "2100-01-01T00:00:00Z")
    ask(400, "POST", f"/user-registration-tokens/{token}/unrevoke")
    ask(200, "POST", f"/user-registration-tokens/{token}/revoke")
    ask(400, "POST", f"/user-registration-tokens/{token}/revoke")
    page = {"page[last]": "1", "filter[revoked]": "true", "filter[valid]": "false"}
    reply = ask.mas.ask("GET", "/user-registration-tokens", query=page)
    assert [one["attributes"]["token"] for one in reply.json["data"]] == [name]
    ask(200, "GET", "/user-registration-tokens", used="true")
    ask(200, "POST", f"/user-registration-tokens/{token}/unrevoke")
    for method, path in (("GET", ""), ("POST", "/revoke"), ("POST", "/unrevoke")):
        ask(404, method, f"/user-registration-tokens/{UNKNOWN_ID}{path}")
    ask(404, "PUT", f"/user-registration-tokens/{UNKNOWN_ID}", {})


def links(ask: CheckedRequests) -> None:
    rose = ask.mas.user(ask.mas.new_user("rose"))["id"]
    ask(200, "GET", "/upstream-oauth-providers", enabled="true")
    ask(404, "GET", f"/upstream-oauth-providers/{UNKNOWN_ID}")
    ask(404, "POST", "/upstream-oauth-links", {"user_id": rose, "provider_id": UNKNOWN_ID, "subject": "rose"})
    assert ask.ids("/upstream-oauth-links", user=rose) == []
    ask(404, "GET", f"/upstream-oauth-links/{UNKNOWN_ID}")
    ask(404, "DELETE", f"/upstream-oauth-links/{UNKNOWN_ID}")


def site(ask: CheckedRequests) -> None:
    assert ask(200, "GET", "/site-config")["server_name"] == ask.mas.server.server_name
    assert ask(200, "GET", "/version")["version"].startswith("v1.22.0")
    created = ask(201, "POST", "/policy-data", {"data": {"tests": True}})["data"]
    assert ask(200, "GET", "/policy-data/latest")["data"]["id"] == created["id"]
    assert ask(200, "GET", f"/policy-data/{created['id']}")["data"]["attributes"]["data"] == {"tests": True}
    ask(400, "POST", "/policy-data", {"data": 1})


def test_every_mas_operation_answers_as_described(mas_homeserver: MasHomeserver) -> None:
    ask = CheckedRequests(mas_homeserver)
    for part in (users, emails, personal_sessions, sessions, registration_tokens, links, site):
        part(ask)
    assert set(description()["operations"]) - ask.operations == set()


def test_upstream_provider_links_accounts(mas_homeserver: MasHomeserver) -> None:
    if mas_homeserver.service is None:
        pytest.skip("a real MAS has its providers in its configuration file")
    ask = CheckedRequests(mas_homeserver)
    rose, iris = (mas_homeserver.user(mas_homeserver.new_user(name))["id"] for name in ("rose", "iris"))
    provider = mas_homeserver.service.add_provider("https://id.example.org/", "Example")
    assert ask.ids("/upstream-oauth-providers", enabled="true") == [provider]
    ask(200, "GET", f"/upstream-oauth-providers/{provider}")
    body = {"user_id": rose, "provider_id": provider, "subject": "r", "human_account_name": "Rose"}
    link = ask(201, "POST", "/upstream-oauth-links", body)["data"]["id"]
    ask(409, "POST", "/upstream-oauth-links", {**body, "user_id": iris})
    ask(200, "GET", f"/upstream-oauth-links/{link}")
    assert ask.ids("/upstream-oauth-links", provider=provider, subject="r", human__account__name="ROS") == [
        link
    ]
    ask(204, "DELETE", f"/upstream-oauth-links/{link}")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"page[first]": "1", "page[last]": "1"}, "Cannot specify both"),
        ({"page[first]": "0"}, "Invalid pagination parameters"),
        ({"page[after]": "x"}, "Invalid pagination parameters"),
        ({"filter[status]": "asleep"}, "Invalid filter parameters"),
        ({"filter[admin]": "1"}, "Invalid filter parameters"),
    ],
    ids=str,
)
def test_invalid_query_is_refused(mas_homeserver: MasHomeserver, query: dict[str, str], titles: str) -> None:
    reply = mas_homeserver.ask("GET", "/users", query=query)
    assert reply.status == 400
    assert reply.json["errors"][0]["title"].startswith(titles)


def test_pages_are_read_in_both_directions(mas_homeserver: MasHomeserver) -> None:
    name = f"walk-{secrets.token_hex(4)}"
    created = [mas_homeserver.create_user(f"{name}-{number}") for number in range(5)]
    for direction, link, expected in (("first", "next", created), ("last", "prev", created[::-1])):
        query: dict[str, str] = {"filter[search]": name, f"page[{direction}]": "2", "count": "false"}
        found: list[str] = []
        while query:
            page = mas_homeserver.ask("GET", "/users", query=query).json
            assert "meta" not in page
            ids = [one["id"] for one in page["data"]]
            found += ids if direction == "first" else ids[::-1]
            query = query_of(page["links"].get(link, ""))
        assert found == expected
    only = mas_homeserver.ask("GET", "/users", query={"filter[search]": name, "count": "only"}).json
    assert (only["meta"], "data" in only) == ({"count": 5}, False)


def query_of(link: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in link.partition("?")[2].split("&") if pair)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("headers", "status", "title"),
    [
        ({}, 400, "Missing authorization header"),
        ({"Authorization": "Basic eA=="}, 400, "Invalid authorization header"),
        ({"Authorization": "Bearer x"}, 401, "Invalid type of access token"),
    ],
    ids=str,
)
def test_request_without_a_token_is_refused(
    mas_homeserver: MasHomeserver, headers: Mapping[str, str], status: int, title: str
) -> None:
    reply = mas_homeserver.send("GET", f"{BASE[1:]}/version", headers=headers)
    assert (reply.status, reply.json["errors"][0]["title"]) == (status, title)


def test_invalid_and_expired_tokens_are_refused(mas_homeserver: MasHomeserver) -> None:
    rose = mas_homeserver.new_user("rose")
    user = mas_homeserver.user(rose)["id"]
    without_scope = mas_homeserver.personal_token(user, API)
    expired = mas_homeserver.personal_token(user, MAS_ADMIN, expires_in=0)
    titles = {
        rose.token: "Invalid type of access token",
        without_scope: "Missing urn:mas:admin scope",
        expired: "Access token expired",
    }
    for token, title in titles.items():
        reply = mas_homeserver.ask("GET", "/version", token=token)
        assert (reply.status, reply.json["errors"][0]["title"]) == (401, title)


def test_token_of_a_locked_user_passes_the_admin_api_but_not_introspection(
    mas_homeserver: MasHomeserver,
) -> None:
    rose = mas_homeserver.new_user("rose")
    user = mas_homeserver.user(rose)["id"]
    token = mas_homeserver.personal_token(user, f"{API} {MAS_ADMIN}")
    mas_homeserver.api("POST", f"/users/{user}/lock")
    assert mas_homeserver.ask("GET", "/version", token=token).status == 200
    assert mas_homeserver.introspect(token) == {"active": False}
    mas_homeserver.api("POST", f"/users/{user}/deactivate")
    reply = mas_homeserver.ask("GET", "/version", token=token)
    assert reply.status == 401


def test_every_mas_operation_is_served() -> None:
    assert {f"{route.method} {route.template}" for route in ROUTES} == set(description()["operations"])
    assert len(ROUTES) == 47


def test_description_has_the_shapes_of_the_openapi_document() -> None:
    openapi = openapi_document()
    if openapi is None:
        pytest.skip("the OpenAPI document of MAS is not available")
    documented = dict(_operations(openapi))
    assert documented.keys() == description()["operations"].keys()
    for operation, facts in description()["operations"].items():
        shape = documented[operation]
        names = set(facts.get("query", {}))
        names |= (
            {"page[before]", "page[after]", "page[first]", "page[last]", "count"}
            if facts.get("paged")
            else set()
        )
        asked = {one["name"] for one in shape.get("parameters", ()) if one["in"] == "query"}
        assert asked == names, operation
        assert set(shape["responses"]) == set(facts["answers"]), operation
        assert ("requestBody" in shape) == ("body" in facts), operation
    schemas = openapi["components"]["schemas"]
    for kind, attributes in description()["resources"].items():
        schema = schemas[_schema_name(kind)]
        assert set(schema["properties"]) == set(attributes), kind
        required = {name for name, shape in attributes.items() if not shape.endswith("?")}
        assert set(schema["required"]) == required, kind
        for shape in attributes.values():
            schema_of(shape)


def _schema_name(kind: str) -> str:
    special = {"oauth2-client": "OAuth2Client", "oauth2-session": "OAuth2Session"}
    if kind[0].isupper() or kind in special:
        return special.get(kind, kind)
    return "".join(word.capitalize() for word in kind.replace("_", "-").split("-")).replace("Oauth", "OAuth")


def _operations(openapi: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, methods in openapi["paths"].items():
        for method, shape in methods.items():
            yield f"{method.upper()} {path.removeprefix(BASE)}", shape

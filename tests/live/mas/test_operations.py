"""Each of the 47 operations of MAS's admin API is asked for, with its commonest refusals.

The same file runs against a real MAS (``tests/live/mas/world.py`` says how).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.sandbox.mas.admin import ROUTES
from tests.live.mas.description import BASE, described, document, operation_of, schema_of
from tests.live.mas.world import API, MAS_ADMIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.live.mas.world import World

NONE = "01FV1XT8X1CXW4FAXT9SH13TVF"  # the id of nothing


class Asking:
    """Sends requests, checks their statuses, and keeps in mind which operations they were for."""

    def __init__(self, world: World) -> None:
        self.world = world
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
        reply = self.world.ask(method, path, body, query=named)
        assert reply.status == status, (method, path, body, reply)
        operation = operation_of(method, BASE + path)
        assert operation is not None
        self.operations.add(operation)
        return reply.json

    def ids(self, path: str, **query: str) -> list[str]:
        """Return the ids that a list has."""
        return [one["id"] for one in self(200, "GET", path, **query)["data"]]


def users(ask: Asking) -> None:
    name = f"rose-{secrets.token_hex(4)}"
    rose = ask(201, "POST", "/users", {"username": name, "displayname": "Rose"})["data"]["id"]
    ask(409, "POST", "/users", {"username": name})
    ask(400, "POST", "/users", {"username": "_rose"})
    ask(409, "POST", "/users", {"username": "notices"})
    assert ask(200, "GET", f"/users/by-username/{name.upper()}")["data"]["id"] == rose
    ask(404, "GET", "/users/by-username/nobody")
    assert ask(200, "GET", f"/users/{rose}")["data"]["attributes"]["username"] == name
    ask(404, "GET", f"/users/{NONE}")
    ask(400, "GET", "/users/rose")
    ask(204, "POST", f"/users/{rose}/set-password", {"password": "a long one with 7 words"})
    for admin in (True, False):
        assert (
            ask(200, "POST", f"/users/{rose}/set-admin", {"admin": admin})["data"]["attributes"]["admin"]
            is admin
        )
    changes = [("lock", "locked_at", True), ("unlock", "locked_at", False)]
    for verb, field, is_set in [*changes, ("deactivate", "deactivated_at", True)]:
        for _ in range(2):  # repeating is no error
            attributes = ask(200, "POST", f"/users/{rose}/{verb}")["data"]["attributes"]
            assert (attributes[field] is not None) is is_set
    assert ask.ids("/users", search=name, status="deactivated") == [rose]
    assert ask.ids("/users", search=name, status="active") == []
    accounts, user_id = ask.world.admin.synapse.users, ask.world.server.user_id(name)
    ask.world.eventually(lambda: bool(accounts.get(user_id).deactivated))
    assert ask(200, "POST", f"/users/{rose}/reactivate")["data"]["attributes"]["deactivated_at"] is None
    for verb in ("lock", "unlock", "deactivate", "reactivate"):
        ask(404, "POST", f"/users/{NONE}/{verb}")


def emails(ask: Asking) -> None:
    rose = ask.world.user(ask.world.someone("rose"))["id"]
    address = f"{rose.lower()}@example.org"
    email = ask(201, "POST", "/user-emails", {"user_id": rose, "email": address})["data"]["id"]
    ask(409, "POST", "/user-emails", {"user_id": rose, "email": address})
    ask(404, "POST", "/user-emails", {"user_id": NONE, "email": "x@example.org"})
    assert ask.ids("/user-emails", user=rose) == ask.ids("/user-emails", email=address) == [email]
    assert ask(200, "GET", f"/user-emails/{email}")["data"]["attributes"]["email"] == address
    ask(204, "DELETE", f"/user-emails/{email}")
    ask(404, "DELETE", f"/user-emails/{email}")
    ask(404, "GET", f"/user-emails/{email}")


def personal_sessions(ask: Asking) -> None:
    rose = ask.world.user(ask.world.someone("rose"))["id"]
    wanted = {"actor_user_id": rose, "human_name": "a test", "scope": API, "expires_in": 60}
    made = ask(201, "POST", "/personal-sessions", wanted)["data"]
    assert made["attributes"]["access_token"].startswith("mpt_")
    ask(404, "POST", "/personal-sessions", {**wanted, "actor_user_id": NONE})
    ask(400, "POST", "/personal-sessions", {**wanted, "scope": 'a"b'})
    session = made["id"]
    assert ask.ids("/personal-sessions", actor_user=rose, status="active", expires="true") == [session]
    assert "access_token" not in ask(200, "GET", f"/personal-sessions/{session}")["data"]["attributes"]
    ask(404, "GET", f"/personal-sessions/{NONE}")
    ask(201, "POST", f"/personal-sessions/{session}/regenerate", {"expires_in": 30})
    assert ask(200, "POST", f"/personal-sessions/{session}/revoke")["data"]["attributes"]["revoked_at"]
    ask(409, "POST", f"/personal-sessions/{session}/revoke")
    ask(422, "POST", f"/personal-sessions/{session}/regenerate", {})
    assert ask.ids("/personal-sessions", actor_user=rose, status="active") == []


def sessions(ask: Asking) -> None:
    rose = ask.world.user(ask.world.someone("rose"))["id"]
    (compat,) = ask.ids("/compat-sessions", user=rose, status="active")
    ask(200, "GET", f"/compat-sessions/{compat}")
    ask(200, "POST", f"/compat-sessions/{compat}/finish")
    ask(400, "POST", f"/compat-sessions/{compat}/finish")
    assert ask.ids("/compat-sessions", user=rose, status="finished") == [compat]
    username, password = ask.world.with_password("rose")
    tokens = ask.world.sign_in_with_device_code(username, password, API)
    rose = ask.world.user(username)["id"]
    (oauth,) = ask.ids("/oauth2-sessions", user=rose, scope=API, client__kind="dynamic")
    client = ask(200, "GET", f"/oauth2-sessions/{oauth}")["data"]["attributes"]["client_id"]
    assert client == tokens["client_id"]
    assert ask(200, "GET", f"/oauth2-clients/{client}")["data"]["attributes"]["client_name"] == "synadmin"
    ask(404, "GET", f"/oauth2-clients/{NONE}")
    assert ask.world.client[0] in ask.ids("/oauth2-clients", client__kind="static")
    ask(200, "POST", f"/oauth2-sessions/{oauth}/finish")
    ask(400, "POST", f"/oauth2-sessions/{oauth}/finish")
    (browser,) = ask.ids("/user-sessions", user=rose, status="active")
    ask(200, "GET", f"/user-sessions/{browser}")
    ask(200, "POST", f"/user-sessions/{browser}/finish")
    ask(400, "POST", f"/user-sessions/{browser}/finish")
    for kind in ("compat", "oauth2", "user"):
        ask(404, "GET", f"/{kind}-sessions/{NONE}")
        ask(404, "POST", f"/{kind}-sessions/{NONE}/finish")
        ask(404, "GET", f"/{kind}-sessions", user=NONE)


def registration_tokens(ask: Asking) -> None:
    name = f"token-{secrets.token_hex(4)}"
    wanted = {"token": name, "usage_limit": 2, "expires_at": "2100-01-01T00:00:00Z"}
    token = ask(201, "POST", "/user-registration-tokens", wanted)["data"]["id"]
    ask(409, "POST", "/user-registration-tokens", wanted)
    assert ask(200, "GET", f"/user-registration-tokens/{token}")["data"]["attributes"]["valid"] is True
    changed = ask(200, "PUT", f"/user-registration-tokens/{token}", {"usage_limit": None})["data"][
        "attributes"
    ]
    assert (changed["usage_limit"], changed["expires_at"]) == (None, "2100-01-01T00:00:00Z")
    ask(400, "POST", f"/user-registration-tokens/{token}/unrevoke")
    ask(200, "POST", f"/user-registration-tokens/{token}/revoke")
    ask(400, "POST", f"/user-registration-tokens/{token}/revoke")
    page = {"page[last]": "1", "filter[revoked]": "true", "filter[valid]": "false"}
    reply = ask.world.ask("GET", "/user-registration-tokens", query=page)
    assert [one["attributes"]["token"] for one in reply.json["data"]] == [name]
    ask(200, "GET", "/user-registration-tokens", used="true")
    ask(200, "POST", f"/user-registration-tokens/{token}/unrevoke")
    for method, path in (("GET", ""), ("POST", "/revoke"), ("POST", "/unrevoke")):
        ask(404, method, f"/user-registration-tokens/{NONE}{path}")
    ask(404, "PUT", f"/user-registration-tokens/{NONE}", {})


def links(ask: Asking) -> None:
    rose = ask.world.user(ask.world.someone("rose"))["id"]
    ask(200, "GET", "/upstream-oauth-providers", enabled="true")
    ask(404, "GET", f"/upstream-oauth-providers/{NONE}")
    ask(404, "POST", "/upstream-oauth-links", {"user_id": rose, "provider_id": NONE, "subject": "rose"})
    assert ask.ids("/upstream-oauth-links", user=rose) == []
    ask(404, "GET", f"/upstream-oauth-links/{NONE}")
    ask(404, "DELETE", f"/upstream-oauth-links/{NONE}")


def site(ask: Asking) -> None:
    assert ask(200, "GET", "/site-config")["server_name"] == ask.world.server.server_name
    assert ask(200, "GET", "/version")["version"].startswith("v1.22.0")
    made = ask(201, "POST", "/policy-data", {"data": {"tests": True}})["data"]
    assert ask(200, "GET", "/policy-data/latest")["data"]["id"] == made["id"]
    assert ask(200, "GET", f"/policy-data/{made['id']}")["data"]["attributes"]["data"] == {"tests": True}
    ask(400, "POST", "/policy-data", {"data": 1})


def test_every_mas_operation_answers_as_described(mas_homeserver: World) -> None:
    ask = Asking(mas_homeserver)
    for part in (users, emails, personal_sessions, sessions, registration_tokens, links, site):
        part(ask)
    assert set(described()["operations"]) - ask.operations == set()


def test_upstream_provider_links_accounts(mas_homeserver: World) -> None:
    if mas_homeserver.service is None:
        pytest.skip("a real MAS has its providers in its configuration file")
    ask = Asking(mas_homeserver)
    rose, iris = (mas_homeserver.user(mas_homeserver.someone(name))["id"] for name in ("rose", "iris"))
    provider = mas_homeserver.service.add_provider("https://id.example.org/", "Example")
    assert ask.ids("/upstream-oauth-providers", enabled="true") == [provider]
    ask(200, "GET", f"/upstream-oauth-providers/{provider}")
    wanted = {"user_id": rose, "provider_id": provider, "subject": "r", "human_account_name": "Rose"}
    link = ask(201, "POST", "/upstream-oauth-links", wanted)["data"]["id"]
    ask(409, "POST", "/upstream-oauth-links", {**wanted, "user_id": iris})
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
def test_invalid_query_is_refused(mas_homeserver: World, query: dict[str, str], titles: str) -> None:
    reply = mas_homeserver.ask("GET", "/users", query=query)
    assert reply.status == 400
    assert reply.json["errors"][0]["title"].startswith(titles)


def test_pages_are_read_in_both_directions(mas_homeserver: World) -> None:
    name = f"walk-{secrets.token_hex(4)}"
    made = [mas_homeserver.create(f"{name}-{number}") for number in range(5)]
    for direction, link, expected in (("first", "next", made), ("last", "prev", made[::-1])):
        query: dict[str, str] = {"filter[search]": name, f"page[{direction}]": "2", "count": "false"}
        walked: list[str] = []
        while query:
            page = mas_homeserver.ask("GET", "/users", query=query).json
            assert "meta" not in page
            ids = [one["id"] for one in page["data"]]
            walked += ids if direction == "first" else ids[::-1]
            query = query_of(page["links"].get(link, ""))
        assert walked == expected
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
    mas_homeserver: World, headers: Mapping[str, str], status: int, title: str
) -> None:
    reply = mas_homeserver.send("GET", f"{BASE[1:]}/version", headers=headers)
    assert (reply.status, reply.json["errors"][0]["title"]) == (status, title)


def test_invalid_and_expired_tokens_are_refused(mas_homeserver: World) -> None:
    rose = mas_homeserver.someone("rose")
    user = mas_homeserver.user(rose)["id"]
    without = mas_homeserver.personal_token(user, API)
    spent = mas_homeserver.personal_token(user, MAS_ADMIN, expires_in=0)
    titles = {
        rose.token: "Invalid type of access token",
        without: "Missing urn:mas:admin scope",
        spent: "Access token expired",
    }
    for token, title in titles.items():
        reply = mas_homeserver.ask("GET", "/version", token=token)
        assert (reply.status, reply.json["errors"][0]["title"]) == (401, title)


def test_token_of_a_locked_user_passes_the_admin_api_but_not_introspection(mas_homeserver: World) -> None:
    rose = mas_homeserver.someone("rose")
    user = mas_homeserver.user(rose)["id"]
    token = mas_homeserver.personal_token(user, f"{API} {MAS_ADMIN}")
    mas_homeserver.api("POST", f"/users/{user}/lock")
    assert mas_homeserver.ask("GET", "/version", token=token).status == 200
    assert mas_homeserver.introspect(token) == {"active": False}
    mas_homeserver.api("POST", f"/users/{user}/deactivate")
    reply = mas_homeserver.ask("GET", "/version", token=token)
    assert reply.status == 401


def test_every_mas_operation_is_served() -> None:
    """None is left out."""
    assert {f"{route.method} {route.template}" for route in ROUTES} == set(described()["operations"])
    assert len(ROUTES) == 47


def test_description_has_the_shapes_of_the_openapi_document() -> None:
    whole = document()
    if whole is None:
        pytest.skip("MAS's own document is not at hand")
    theirs = dict(_operations(whole))
    assert theirs.keys() == described()["operations"].keys()
    for operation, facts in described()["operations"].items():
        shape = theirs[operation]
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
    schemas = whole["components"]["schemas"]
    for kind, attributes in described()["resources"].items():
        theirs_named = schemas[_schema_name(kind)]
        assert set(theirs_named["properties"]) == set(attributes), kind
        required = {name for name, shape in attributes.items() if not shape.endswith("?")}
        assert set(theirs_named["required"]) == required, kind
        for shape in attributes.values():
            schema_of(shape)


def _schema_name(kind: str) -> str:
    special = {"oauth2-client": "OAuth2Client", "oauth2-session": "OAuth2Session"}
    if kind[0].isupper() or kind in special:
        return special.get(kind, kind)
    return "".join(word.capitalize() for word in kind.replace("_", "-").split("-")).replace("Oauth", "OAuth")


def _operations(whole: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, methods in whole["paths"].items():
        for method, shape in methods.items():
            yield f"{method.upper()} {path.removeprefix(BASE)}", shape

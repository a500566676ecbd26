"""A Synapse that delegates to MAS: to the stand-in, or to a real one (``SYNADMIN_TEST_MAS``).

The configuration of a real MAS needs a static client that is listed in ``policy.data.admin_clients``, a
listener with ``adminapi``, ``compat`` and ``oauth``, passwords, and the homeserver that the tests start::

    SYNADMIN_TEST_MAS=http://127.0.0.1:8090/                  its base URL
    SYNADMIN_TEST_MAS_CLIENT=ULID:SECRET                      the client
    SYNADMIN_TEST_MAS_SECRET=…                                ``matrix.secret``
    SYNADMIN_TEST_MAS_HOMESERVER=http://127.0.0.1:8099/       ``matrix.endpoint``
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import secrets
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from synadmin.sandbox.accounts import Person
from synadmin.sandbox.homeserver import Homeserver
from synadmin.sandbox.mas.server import CLIENT_ID, AuthenticationService, delegation
from synadmin.sandbox.mas.web import Reply, Request
from tests.live.mas.browser import allow
from tests.live.mas.description import BASE, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from synadmin.sandbox.mas.server import Exchange

API, SYNAPSE_ADMIN, MAS_ADMIN = "urn:matrix:client:api:*", "urn:synapse:admin:*", "urn:mas:admin"
ALL_SCOPES = f"{API} {SYNAPSE_ADMIN} {MAS_ADMIN}"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
REAL = os.environ.get("SYNADMIN_TEST_MAS")
_PATIENCE = 90  # seconds until a job has run, on a machine that is busy
_numbers = itertools.count(1)


@dataclass
class World:
    """The servers, and their people.

    Attributes:
        server: Synapse.
        url: MAS's base URL, with a slash in the end.
        service: the stand-in; None where MAS is a real one.
        secret: what Synapse and MAS share.
        client: id and secret of the client that may use the admin API.
        violations: exchanges that do not fit the description of the admin API, since the last look.
    """

    server: Homeserver
    url: str
    service: AuthenticationService | None
    secret: str
    client: tuple[str, str]
    violations: list[str] = field(default_factory=list)
    _people: list[Person] = field(default_factory=list)
    _admin: Person | None = None

    @property
    def admin(self) -> Person:
        """A user whose token has the scopes of both admin APIs."""
        if self._admin is None:
            name = f"admin-{secrets.token_hex(3)}" if REAL else "admin"
            user_id = self.create(name, token=self.client_token())
            self.api("POST", f"/users/{user_id}/set-admin", {"admin": True}, token=self.client_token())
            token = self.personal_token(user_id, ALL_SCOPES, token=self.client_token())
            self._admin = self._person(name, token)
        return self._admin

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a command line that has the admin's token."""
        return {"SYNADMIN_HOMESERVER": self.server.url, "SYNADMIN_ACCESS_TOKEN": self.admin.token}

    def client_token(self, scope: str = MAS_ADMIN) -> str:
        """Return an access token of the client, without a user."""
        token = self.oauth("token", {"grant_type": "client_credentials", "scope": scope}, client=self.client)
        return str(token["access_token"])

    def with_password(self, name: str = "alice", *, admin: bool = False) -> tuple[str, str]:
        """Make a user with a password, and return both."""
        name = f"{name}-{secrets.token_hex(3)}-{next(_numbers)}"
        user_id = self.create(name)
        password = secrets.token_urlsafe(12)
        body = {"password": password, "skip_password_check": True}
        self.api("POST", f"/users/{user_id}/set-password", body)
        if admin:
            self.api("POST", f"/users/{user_id}/set-admin", {"admin": True})
        return name, password

    def someone(self, name: str = "alice") -> Person:
        """Return a new user who has signed in with a password: their session has a device."""
        name, password = self.with_password(name)
        body: dict[str, Any] = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}}
        session = self.send("POST", "_matrix/client/v3/login", {**body, "password": password})
        return self._person(name, session.json["access_token"])

    def _person(self, name: str, token: str) -> Person:
        self._people.append(Person(self.server.url, self.server.user_id(name), token))
        return self._people[-1]

    def create(self, name: str, *, token: str | None = None) -> str:
        """Make a user and return their id at MAS."""
        return str(self.api("POST", "/users", {"username": name}, token=token)["data"]["id"])

    def personal_token(self, user_id: str, scope: str, *, token: str | None = None, **more: Any) -> str:  # noqa: ANN401
        """Return the token of a new personal session."""
        body = {"actor_user_id": user_id, "human_name": "tests", "scope": scope, **more}
        made = self.api("POST", "/personal-sessions", body, token=token)
        return str(made["data"]["attributes"]["access_token"])

    def user(self, who: Person | str) -> dict[str, Any]:
        """Return a user as MAS has them: the attributes, and ``id``."""
        name = who if isinstance(who, str) else who.user_id[1:].partition(":")[0]
        data = self.api("GET", f"/users/by-username/{name}")["data"]
        return {"id": data["id"], **data["attributes"]}

    # Requests

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:  # noqa: ANN401
        """Send a request to the admin API that has to be granted, and return the answer's JSON."""
        reply = self.ask(method, path, body, token=token)
        assert reply.status < 300, (method, path, reply)
        return reply.json

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401
        *,
        token: str | None = None,
        query: Mapping[str, str | list[str]] | None = None,
    ) -> Reply:
        """Send a request to the admin API and return the answer; it is validated."""
        token = token or self.admin.token
        full = f"{BASE}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        reply = self.send(method, full.lstrip("/"), body, headers={"Authorization": f"Bearer {token}"})
        if self.service is None:
            asked = {
                name: value if isinstance(value, list) else [value] for name, value in (query or {}).items()
            }
            content = b"" if body is None else json.dumps(body).encode()
            request = Request(method, f"{BASE}{path}", asked, {}, content, self.url)
            self.violations += violations(request, reply)
        return reply

    def oauth(self, endpoint: str, form: Mapping[str, str], *, client: tuple[str, str] | None = None) -> Any:  # noqa: ANN401
        """Send a form to an OAuth endpoint, and return the answer's JSON."""
        return self.oauth_reply(endpoint, form, client=client).json

    def oauth_reply(
        self, endpoint: str, form: Mapping[str, str], *, client: tuple[str, str] | None = None
    ) -> Reply:
        """Send a form to an OAuth endpoint."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if client is not None:
            pair = base64.b64encode(":".join(client).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return self.send("POST", f"oauth2/{endpoint}", urlencode(form), headers=headers)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request to MAS: JSON, or a form that is text already."""
        target = urlsplit(self.url)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        sent = {} if content is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, target.path + path, content, sent | dict(headers or {}))
            answer = connection.getresponse()
            text, kind = answer.read().decode(), answer.headers.get("Content-Type") or ""
        finally:
            connection.close()
        if kind.startswith("application/json"):
            return Reply(answer.status, json.loads(text))
        return Reply(answer.status, text=text, content_type=kind)

    def introspect(self, token: str) -> Any:  # noqa: ANN401
        """Return what MAS tells Synapse of a token."""
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-MAS-Supports-Device-Id": "1",
        }
        return self.send("POST", "oauth2/introspect", urlencode({"token": token}), headers=headers).json

    # Signing in

    def register_client(self) -> str:
        """Register the client that `synadmin login` is, and return its id."""
        metadata = {
            "client_name": "synadmin",
            "client_uri": "https://synadmin.example/",
            "application_type": "native",
            "grant_types": [DEVICE_CODE, "refresh_token"],
            "response_types": [],
            "token_endpoint_auth_method": "none",
        }
        return str(self.send("POST", "oauth2/registration", metadata).json["client_id"])

    def sign_in_with_device_code(self, username: str, password: str, scope: str) -> dict[str, Any]:
        """Return the answer of the token endpoint, and ``client_id``."""
        client_id = self.register_client()
        grant = self.oauth("device", {"client_id": client_id, "scope": scope})
        allow(self.url, grant["user_code"], username, password)
        form = {"grant_type": DEVICE_CODE, "device_code": grant["device_code"], "client_id": client_id}
        tokens: dict[str, Any] = self.oauth("token", form)
        return {**tokens, "client_id": client_id}

    # Waiting, and the stand-in's knobs

    def eventually(self, so: Callable[[], bool]) -> None:
        """Wait until a job has had its effect."""
        until = time.monotonic() + _PATIENCE
        while not so():
            assert time.monotonic() < until, "it did not happen"
            time.sleep(0.05)

    @contextmanager
    def knobs(self, **settings: Any) -> Iterator[None]:  # noqa: ANN401
        """Set knobs of the stand-in while the block runs."""
        assert self.service is not None
        before = {name: getattr(self.service.knobs, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self.service.knobs, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(self.service.knobs, name, value)

    def watch(self, exchange: Exchange) -> None:
        """Validate an exchange of the stand-in's."""
        if exchange.request.path.startswith(f"{BASE}/"):
            self.violations += violations(exchange.request, exchange.reply)

    def close(self) -> None:
        """Close the people's connections."""
        for person in self._people:
            person.close()


@contextmanager
def running(server_name: str = "delegated.example") -> Iterator[World]:
    """Start the servers."""
    with ExitStack() as stack:
        if REAL:
            world = _real(stack)
        else:
            service = stack.enter_context(
                AuthenticationService(lambda: server.url, lambda: server.server_name)
            )
            config = delegation(service.url, service.secret)
            server = stack.enter_context(Homeserver(server_name=server_name, extra_config=config))
            world = World(server, service.url, service, service.secret, (CLIENT_ID, service.client_secret))
            service.watch = world.watch
        stack.callback(world.close)
        yield world


def _real(stack: ExitStack) -> World:
    client_id, _, client_secret = os.environ["SYNADMIN_TEST_MAS_CLIENT"].partition(":")
    url = f"{str(REAL).rstrip('/')}/"
    port = urlsplit(os.environ["SYNADMIN_TEST_MAS_HOMESERVER"]).port
    secret = os.environ["SYNADMIN_TEST_MAS_SECRET"]
    config = delegation(url, secret)
    # MAS knows the name of its homeserver; it needs no homeserver to tell it.
    nameless = World(Homeserver(port=port), url, None, secret, (client_id, client_secret))
    name = nameless.api("GET", "/site-config", token=nameless.client_token())["server_name"]
    nameless.server.discard()
    server = stack.enter_context(Homeserver(server_name=name, port=port, extra_config=config))
    return World(server, url, None, secret, (client_id, client_secret))

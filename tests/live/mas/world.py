"""A Synapse that delegates to MAS: to the stand-in, or to a real MAS (``SYNADMIN_TEST_MAS``).

The configuration of a real MAS needs a static client that is listed in ``policy.data.admin_clients``, a
listener with ``adminapi``, ``compat`` and ``oauth``, passwords, and the homeserver that the tests start.
These variables describe the MAS and its client::

    SYNADMIN_TEST_MAS=http://127.0.0.1:8090/                  the base URL of MAS
    SYNADMIN_TEST_MAS_CLIENT=ULID:SECRET                      the static client
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
_JOB_TIMEOUT = 90  # seconds until a job has run on a busy machine
_numbers = itertools.count(1)


@dataclass
class MasHomeserver:
    """A Synapse and its MAS, with requests to MAS and new users.

    Attributes:
        server: the Synapse.
        url: the base URL of MAS, with a slash at the end.
        service: the stand-in; None if MAS is a real one.
        secret: the shared secret of Synapse and MAS.
        client: the id and the secret of the client that may use the admin API.
        violations: differences of requests and answers from the description of the admin API.
    """

    server: Homeserver
    url: str
    service: AuthenticationService | None
    secret: str
    client: tuple[str, str]
    violations: list[str] = field(default_factory=list)
    _users: list[Person] = field(default_factory=list)
    _admin: Person | None = None

    @property
    def admin(self) -> Person:
        """A user whose token has the scopes of both admin APIs."""
        if self._admin is None:
            name = f"admin-{secrets.token_hex(3)}" if REAL else "admin"
            user_id = self.create_user(name, token=self.client_token())
            self.api("POST", f"/users/{user_id}/set-admin", {"admin": True}, token=self.client_token())
            token = self.personal_token(user_id, ALL_SCOPES, token=self.client_token())
            self._admin = self._add_user(name, token)
        return self._admin

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a command that runs with the token of the admin."""
        return {"SYNADMIN_HOMESERVER": self.server.url, "SYNADMIN_ACCESS_TOKEN": self.admin.token}

    def client_token(self, scope: str = MAS_ADMIN) -> str:
        """Return an access token of the client, without a user."""
        token = self.oauth("token", {"grant_type": "client_credentials", "scope": scope}, client=self.client)
        return str(token["access_token"])

    def new_user_with_password(self, name: str = "alice", *, admin: bool = False) -> tuple[str, str]:
        """Create a user with a password; return both."""
        name = f"{name}-{secrets.token_hex(3)}-{next(_numbers)}"
        user_id = self.create_user(name)
        password = secrets.token_urlsafe(12)
        body = {"password": password, "skip_password_check": True}
        self.api("POST", f"/users/{user_id}/set-password", body)
        if admin:
            self.api("POST", f"/users/{user_id}/set-admin", {"admin": True})
        return name, password

    def new_user(self, name: str = "alice") -> Person:
        """Create a user who has signed in with a password. The session has a device."""
        name, password = self.new_user_with_password(name)
        body: dict[str, Any] = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}}
        session = self.send("POST", "_matrix/client/v3/login", {**body, "password": password})
        return self._add_user(name, session.json["access_token"])

    def _add_user(self, name: str, token: str) -> Person:
        self._users.append(Person(self.server.url, self.server.user_id(name), token))
        return self._users[-1]

    def create_user(self, name: str, *, token: str | None = None) -> str:
        """Create a user; return the id at MAS."""
        return str(self.api("POST", "/users", {"username": name}, token=token)["data"]["id"])

    def personal_token(self, user_id: str, scope: str, *, token: str | None = None, **more: Any) -> str:  # noqa: ANN401
        """Return the token of a new personal session."""
        body = {"actor_user_id": user_id, "human_name": "tests", "scope": scope, **more}
        made = self.api("POST", "/personal-sessions", body, token=token)
        return str(made["data"]["attributes"]["access_token"])

    def user(self, who: Person | str) -> dict[str, Any]:
        """Return the attributes of a user at MAS, and ``id``."""
        name = who if isinstance(who, str) else who.user_id[1:].partition(":")[0]
        data = self.api("GET", f"/users/by-username/{name}")["data"]
        return {"id": data["id"], **data["attributes"]}

    # Requests

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:  # noqa: ANN401
        """Send a request to the admin API that must succeed; return the JSON of the answer."""
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
        """Send a request to the admin API; validate and return the answer."""
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
        """Send a form to an OAuth endpoint; return the JSON of the answer."""
        return self.oauth_reply(endpoint, form, client=client).json

    def oauth_reply(
        self, endpoint: str, form: Mapping[str, str], *, client: tuple[str, str] | None = None
    ) -> Reply:
        """Send a form to an OAuth endpoint; return the answer."""
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
        """Send a request to MAS. The body is sent as JSON; a string is sent unchanged."""
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
        """Return the answer that Synapse gets from MAS about a token."""
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-MAS-Supports-Device-Id": "1",
        }
        return self.send("POST", "oauth2/introspect", urlencode({"token": token}), headers=headers).json

    # Signing in

    def register_client(self) -> str:
        """Register a client as `synadmin login` does; return its id."""
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
        """Sign in by device code; return the answer of the token endpoint, and ``client_id``."""
        client_id = self.register_client()
        grant = self.oauth("device", {"client_id": client_id, "scope": scope})
        allow(self.url, grant["user_code"], username, password)
        form = {"grant_type": DEVICE_CODE, "device_code": grant["device_code"], "client_id": client_id}
        tokens: dict[str, Any] = self.oauth("token", form)
        return {**tokens, "client_id": client_id}

    # Waiting, and the knobs of the stand-in

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a job of MAS has made a condition true."""
        until = time.monotonic() + _JOB_TIMEOUT
        while not condition():
            assert time.monotonic() < until, "the condition is still false"
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
        """Validate a request to the stand-in and its answer."""
        if exchange.request.path.startswith(f"{BASE}/"):
            self.violations += violations(exchange.request, exchange.reply)

    def close(self) -> None:
        """Close the connections of the users."""
        for person in self._users:
            person.close()


@contextmanager
def running(server_name: str = "delegated.example") -> Iterator[MasHomeserver]:
    """Run a Synapse and its MAS while the block runs."""
    with ExitStack() as stack:
        if REAL:
            mas = _with_real_mas(stack)
        else:
            service = stack.enter_context(
                AuthenticationService(lambda: server.url, lambda: server.server_name)
            )
            config = delegation(service.url, service.secret)
            server = stack.enter_context(Homeserver(server_name=server_name, extra_config=config))
            mas = MasHomeserver(
                server, service.url, service, service.secret, (CLIENT_ID, service.client_secret)
            )
            service.watch = mas.watch
        stack.callback(mas.close)
        yield mas


def _with_real_mas(stack: ExitStack) -> MasHomeserver:
    client_id, _, client_secret = os.environ["SYNADMIN_TEST_MAS_CLIENT"].partition(":")
    url = f"{str(REAL).rstrip('/')}/"
    port = urlsplit(os.environ["SYNADMIN_TEST_MAS_HOMESERVER"]).port
    secret = os.environ["SYNADMIN_TEST_MAS_SECRET"]
    config = delegation(url, secret)
    # MAS has the server name in its configuration, and answers without a running homeserver.
    without_name = MasHomeserver(Homeserver(port=port), url, None, secret, (client_id, client_secret))
    name = without_name.api("GET", "/site-config", token=without_name.client_token())["server_name"]
    without_name.server.discard()
    server = stack.enter_context(Homeserver(server_name=name, port=port, extra_config=config))
    return MasHomeserver(server, url, None, secret, (client_id, client_secret))

"""The other endpoints of MAS: discovery, clients, tokens, introspection, and the page for users."""

import base64
import binascii
import datetime as dt
import html
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from synadmin.sandbox.mas.admin import StandInService
from synadmin.sandbox.mas.jobs import SYNC
from synadmin.sandbox.mas.names import kind_of, moment, new_id, now, random_text, written
from synadmin.sandbox.mas.store import (
    API,
    BROWSER,
    COMPAT,
    MAS_ADMIN,
    OAUTH,
    PERSONAL,
    SYNAPSE_ADMIN,
    UNSTABLE_API,
    Knobs,
    MasStore,
    Record,
    devices_in,
    has_ended,
    with_twins,
)
from synadmin.sandbox.mas.synapse import SynapseError
from synadmin.sandbox.mas.web import Refused, Reply, Request

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_CLIENT, _GRANT = "oauth2-client", "grant"
_SCOPES_FOR_ALL = {"openid", "email", "urn:mas:graphql:*"}
_METADATA = ("client_name", "client_uri", "logo_uri", "redirect_uris", "grant_types")


def _error(status: int, code: str, description: str = "") -> Refused:
    body = {"error": code} | ({"error_description": description} if description else {})
    return Refused(Reply(status, body))


def discovery(service: StandInService, request: Request) -> Reply:
    """Return the discovery document."""
    url = request.url
    knobs = service.store.knobs
    document = {
        "issuer": url,
        "authorization_endpoint": f"{url}authorize",
        "token_endpoint": f"{url}oauth2/token",
        "jwks_uri": f"{url}oauth2/keys.json",
        "registration_endpoint": f"{url}oauth2/registration",
        "introspection_endpoint": f"{url}oauth2/introspect",
        "revocation_endpoint": f"{url}oauth2/revoke",
        "scopes_supported": ["openid", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["form_post", "query", "fragment"],
        "grant_types_supported": grant_types(knobs),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "account_management_uri": f"{url}account/",
    }
    if knobs.device_code:
        document["device_authorization_endpoint"] = f"{url}oauth2/device"
    return Reply(200, document)


def grant_types(knobs: Knobs) -> list[str]:
    """Return the grant types that MAS serves, or that a static client has."""
    types = ["authorization_code", "refresh_token", "client_credentials"]
    return [*types, DEVICE_CODE] if knobs.device_code else types


# Clients


def register_client(service: StandInService, request: Request) -> Reply:
    """Register a client. The same metadata without a secret returns the same client again."""
    try:
        metadata = json.loads(request.body)
    except ValueError:
        raise _error(400, "invalid_request") from None
    grants = metadata.get("grant_types", ["authorization_code"])
    if not isinstance(grants, list):
        raise _error(400, "invalid_client_metadata", "grant_types is no list")
    if "authorization_code" in grants and not metadata.get("redirect_uris"):
        raise _error(400, "invalid_redirect_uri")
    uri = urlsplit(str(metadata.get("client_uri", "")))
    # MAS has a list of public suffixes, and refuses them all.
    if uri.scheme != "https" or "." not in (uri.hostname or ""):
        raise _error(400, "invalid_client_metadata", "client_uri is missing or not valid")
    metadata["grant_types"] = sorted(set(grants) & set(grant_types(service.store.knobs)))
    attributes = {name: metadata.get(name) for name in _METADATA}
    attributes["redirect_uris"] = attributes["redirect_uris"] or []
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    for client in service.store.table(_CLIENT).values():
        same = all(client[name] == value for name, value in attributes.items())
        if same and method == "none" == client["_method"] and not client["is_static"]:
            break
    else:
        client = add_client(service.store, attributes, method=method)
    answer = {**metadata, "client_id": client["client_id"], "redirect_uris": attributes["redirect_uris"]}
    answer["client_id_issued_at"] = int(now().timestamp())
    if client["_secret"]:
        answer["client_secret"] = client["_secret"]
    return Reply(201, {name: value for name, value in answer.items() if value or name == "redirect_uris"})


def add_client(
    store: MasStore,
    attributes: Mapping[str, Any],
    *,
    method: str,
    client_id: str = "",
    secret: str | None = None,
) -> Record:
    """Store a client. A client with a given id is static, as those of MAS's configuration file.

    Args:
        store: the store.
        attributes: its metadata.
        method: how it authenticates.
        client_id: its ULID.
        secret: its secret; None: a random one where the method needs a secret.
    """
    key = client_id or new_id()
    secret = secret or (None if method == "none" else random_text(32))
    client: Record = {"_id": key, "_kind": _CLIENT, "_method": method, "_secret": secret, "client_id": key}
    client |= {**dict.fromkeys(_METADATA), "is_static": bool(client_id), **attributes}
    store.table(_CLIENT)[key] = client
    return client


def _client(service: StandInService, request: Request) -> Record:
    """Return the client that the request authenticates."""
    form = request.form()
    client_id, secret, method = form.get("client_id", ""), form.get("client_secret", ""), "client_secret_post"
    scheme, _, encoded = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _error(401, "invalid_client") from None
        client_id, secret, method = unquote_plus(client_id), unquote_plus(secret), "client_secret_basic"
    if not client_id:
        raise _error(400, "invalid_request", "No credentials were presented")
    client = service.store.table(_CLIENT).get(client_id)
    if client is None or (client["_secret"] or "") != secret or (secret and method != client["_method"]):
        raise _error(401, "invalid_client")
    return client


# The device code


def device_authorization(service: StandInService, request: Request) -> Reply:
    """Begin a sign-in by device code."""
    knobs = service.store.knobs
    if not knobs.device_code:
        raise _error(400, "invalid_request", "The Device Authorization Grant is disabled on this server")
    client = _client(service, request)
    if DEVICE_CODE not in client["grant_types"]:
        raise _error(401, "unauthorized_client")
    expires = written(now() + dt.timedelta(seconds=knobs.device_code_seconds))
    grant = {"client_id": client["_id"], "scope": request.form().get("scope", ""), "state": "pending"}
    grant |= {"user_code": random_text(6).upper(), "session": None, "expires": expires}
    device_code = random_text(32)
    service.store.table(_GRANT)[device_code] = grant
    answer = {
        "device_code": device_code,
        "user_code": grant["user_code"],
        "verification_uri": f"{request.url}link",
        "expires_in": knobs.device_code_seconds,
        "interval": knobs.interval,
    }
    return Reply(200, answer)


_FORM = """<form method="post">
<p><label>Code <input name="code" value="{code}"></label></p>
<p><label>Username <input name="username"></label></p>
<p><label>Password <input name="password" type="password"></label></p>
<p><button name="action" value="consent">Allow</button> <button name="action" value="reject">Deny</button></p>
</form>"""


def _page(message: str, code: str | None = None, status: int = 200) -> Reply:
    form = "" if code is None else _FORM.format(code=html.escape(code))
    body = f"<body><p>{html.escape(message)}</p>{form}</body>"
    text = f"<!DOCTYPE html><html><head><title>Link a device</title></head>{body}</html>"
    return Reply(status, text=text, content_type="text/html; charset=utf-8")


def link(service: StandInService, request: Request) -> Reply:
    """Show the page where a user allows a device, and handle its form."""
    if request.method == "GET":
        return _page("Type the code that the device shows.", request.query.get("code", [""])[-1])
    form, store = request.form(), service.store
    code = form.get("code", "").upper()
    grants = store.table(_GRANT).values()
    grant = next(
        (grant for grant in grants if grant["user_code"] == code and grant["state"] == "pending"), None
    )
    if grant is None or moment(grant["expires"]) <= now():
        return _page("There is no such code.", code, 400)
    user = store.user_named(form.get("username", ""))
    if user is None or not _may_sign_in(store, user, form.get("password")):
        return _page("Wrong username or password.", code, 403)
    if form.get("action") != "consent":
        grant["state"] = "denied"
        return _page("The device was denied.")
    if {SYNAPSE_ADMIN, MAS_ADMIN} & set(grant["scope"].split()) and not user["admin"]:
        # The device goes on waiting, as with MAS.
        return _page("The policy does not let this user ask for these scopes.", code, 403)
    browser = {"user_id": user["_id"], "user_agent": request.headers.get("User-Agent")}
    session = store.add_session(BROWSER, browser)
    grant |= {"state": "allowed", "session": session["_id"]}
    return _page("The device was linked.")


def _may_sign_in(store: MasStore, user: Record, password: str | None) -> bool:
    return password is not None and user["_password"] == password and store.is_valid(user["_id"])


# Tokens


def token(service: StandInService, request: Request) -> Reply:
    """Return tokens for a grant."""
    client = _client(service, request)
    form = request.form()
    grant_type = form.get("grant_type", "")
    known = {"client_credentials": _client_credentials, "refresh_token": _refresh, DEVICE_CODE: _device_code}
    needed = {"refresh_token": "refresh_token", DEVICE_CODE: "device_code"}.get(grant_type, "grant_type")
    if not form.get(needed):
        # The status 500 is correct: MAS reports a missing form field as a server error.
        raise _error(500, "server_error", f"Failed to deserialize form body: missing field `{needed}`")
    if grant_type not in grant_types(service.store.knobs):
        raise _error(400, "unsupported_grant_type")
    if grant_type not in client["grant_types"]:
        raise _error(401, "unauthorized_client")
    if grant_type not in known:
        raise _error(400, "invalid_grant")
    return Reply(200, known[grant_type](service.store, service, client, form))


def _client_credentials(
    store: MasStore, _: StandInService, client: Record, form: Mapping[str, str]
) -> Record:
    scope = form.get("scope", "")
    allowed = {*_SCOPES_FOR_ALL, *([MAS_ADMIN] if client["_id"] in store.knobs.admin_clients else [])}
    refused = sorted(set(scope.split()) - allowed)
    if refused:
        raise _error(403, "invalid_scope", f"scope '{refused[0]}' not allowed")
    return _tokens(store, client, _oauth_session(store, client, scope, None), refreshable=False)


def _device_code(store: MasStore, service: StandInService, client: Record, form: Mapping[str, str]) -> Record:
    grant = store.table(_GRANT).get(form.get("device_code", ""))
    if grant is None or grant["client_id"] != client["_id"]:
        raise _error(400, "invalid_grant")
    if moment(grant["expires"]) <= now():
        raise _error(403, "expired_token")
    if grant["state"] != "allowed":
        answers = {"pending": (403, "authorization_pending"), "denied": (403, "access_denied")}
        raise _error(*answers.get(grant["state"], (400, "invalid_grant")))
    browser = store.table(BROWSER)[grant["session"]]
    user = store.table("user")[browser["user_id"]]
    _make_devices(service, user, devices_in(grant["scope"]))
    session = _oauth_session(store, client, grant["scope"], browser)
    grant["state"] = "exchanged"
    return _tokens(store, client, session)


def _make_devices(service: StandInService, user: Record, devices: list[str]) -> None:
    try:
        for device in devices:
            service.synapse.post("upsert_device", localpart=user["username"], device_id=device)
    except SynapseError:
        raise _error(500, "server_error") from None


def _oauth_session(store: MasStore, client: Record, scope: str, browser: Record | None) -> Record:
    session = {
        "user_id": browser and browser["user_id"],
        "user_session_id": browser and browser["_id"],
        "client_id": client["_id"],
        "scope": " ".join(sorted(set(scope.split()))),
        "human_name": None,
    }
    return store.add_session(OAUTH, session)


def _tokens(store: MasStore, client: Record, session: Record, *, refreshable: bool = True) -> Record:
    seconds = store.knobs.access_token_seconds
    access = store.add_token(session, "mat", seconds)
    answer = {"access_token": access["_token"], "token_type": "Bearer", "expires_in": seconds}
    if session["scope"]:
        answer["scope"] = session["scope"]
    if refreshable and "refresh_token" in client["grant_types"]:
        refresh = store.add_token(session, "mar", None, _access=access["_token"], _next=None)
        answer["refresh_token"] = refresh["_token"]
    return answer


def _refresh(store: MasStore, _: StandInService, client: Record, form: Mapping[str, str]) -> Record:
    old = store.table("token").get(form.get("refresh_token", ""))
    if old is None or kind_of(old["_token"]) != "mar":
        raise _error(400, "invalid_grant")
    session = store.session_of(old)
    if has_ended(session) or session["client_id"] != client["_id"]:
        raise _error(400, "invalid_grant")
    if old["_revoked"] or old["_next"]:
        # It was used before. If none of its new tokens was used, the first answer may have been lost.
        following = store.table("token").get(old["_next"] or "")
        if following is None or following["_next"] or following["_revoked"]:
            raise _error(400, "invalid_grant")
        access = store.table("token")[following["_access"]]
        if access["_used"]:
            raise _error(400, "invalid_grant")
        following["_revoked"] = access["_revoked"] = True
    answer = _tokens(store, client, session)
    store.table("token")[old["_access"]]["_revoked"] = True
    old["_next"] = answer["refresh_token"]
    return answer


def revoke(service: StandInService, request: Request) -> Reply:
    """End the session of a token; an unknown token is ignored."""
    client = _client(service, request)
    store = service.store
    form = request.form()
    if "token" not in form:
        raise _error(500, "server_error", "Failed to deserialize form body: missing field `token`")
    token = store.table("token").get(form["token"])
    if token is None or token["_session_kind"] != OAUTH or not store.is_live(token) or token.get("_next"):
        return Reply(200, text="")
    session = store.session_of(token)
    if session["client_id"] != client["_id"]:
        raise _error(401, "unauthorized_client")
    store.end(session)
    if session["user_id"]:
        service.worker.schedule(SYNC, store.table("user")[session["user_id"]])
    return Reply(200, text="")


def introspect(service: StandInService, request: Request) -> Reply:
    """Tell the homeserver, or a client with a secret, whether a token is active and what it permits."""
    if request.bearer is not None:
        if request.bearer != service.synapse.secret:
            raise _error(401, "access_denied", "bearer token presented is invalid")
    elif not _client(service, request)["_secret"]:
        raise _error(401, "unauthorized_client")
    store = service.store
    form = request.form()
    token = store.table("token").get(form.get("token", ""))
    kind = kind_of(form.get("token", ""))
    hint = "refresh_token" if kind == "mar" else "access_token"
    unexpected = form.get("token_type_hint", hint) != hint
    if token is None or unexpected or not store.is_live(token) or token.get("_next"):
        return Reply(200, {"active": False})
    session = store.session_of(token)
    user_id = session["actor_user_id"] if session["_kind"] == PERSONAL else session["user_id"]
    # In a personal session, the actor and the owner must both be valid.
    if not (store.is_valid(user_id) and store.is_valid(session.get("owner_user_id"))):
        return Reply(200, {"active": False})
    token["_used"] = True
    created = int(moment(token["created_at"]).timestamp())
    answer = {"active": True, "scope": _scope(session), "iat": created, "nbf": created}
    answer["token_type"] = hint
    client_id = {COMPAT: "legacy", PERSONAL: session.get("owner_client_id")}
    answer["client_id"] = client_id.get(session["_kind"], session.get("client_id"))
    if user_id is not None:
        answer |= {"username": store.table("user")[user_id]["username"], "sub": user_id}
    if session["_kind"] == COMPAT:
        answer["device_id"] = session["device_id"]
    if token["_expires"] is not None:
        expires = moment(token["_expires"])
        answer["exp"] = int(expires.timestamp())
        answer["expires_in"] = int((expires - now()).total_seconds())
    return Reply(200, {name: value for name, value in answer.items() if value is not None})


def _scope(session: Record) -> str:
    if session["_kind"] == COMPAT:
        return " ".join(sorted([API, UNSTABLE_API, *([SYNAPSE_ADMIN] if session["_is_admin"] else [])]))
    return with_twins(session["scope"])


# Endpoints of the Matrix client API


def login(service: StandInService, request: Request) -> Reply:
    """Sign in with a password, as Matrix clients without OAuth do."""
    if request.method == "GET":
        flows = [{"type": "m.login.password"}] if service.store.knobs.passwords else []
        return Reply(200, {"flows": flows})
    body = json.loads(request.body)
    named = str((body.get("identifier") or {}).get("user") or body.get("user", ""))
    store = service.store
    user = store.user_named(named.removeprefix("@").partition(":")[0])
    if user is not None and user["_password"] == body.get("password") and user["locked_at"]:
        raise Refused(Reply(401, {"errcode": "M_USER_LOCKED", "error": "User account has been locked"}))
    if user is None or not _may_sign_in(store, user, body.get("password")):
        raise Refused(Reply(403, {"errcode": "M_FORBIDDEN", "error": "Invalid username/password"}))
    device = str(body.get("device_id") or random_text(10))
    _make_devices(service, user, [device])
    attributes = {"user_id": user["_id"], "device_id": device, "user_session_id": None, "_is_admin": False}
    attributes["user_agent"] = request.headers.get("User-Agent")
    attributes |= {"redirect_uri": None, "human_name": body.get("initial_device_display_name")}
    session = store.add_session(COMPAT, attributes)
    access = store.add_token(session, "mct", None)
    user_id = f"@{user['username']}:{service.server_name()}"
    return Reply(200, {"access_token": access["_token"], "device_id": device, "user_id": user_id})


def logout(service: StandInService, request: Request) -> Reply:
    """End the compatibility session of a token."""
    store = service.store
    if request.bearer is None:
        raise Refused(Reply(401, {"errcode": "M_MISSING_TOKEN", "error": "Missing access token"}))
    token = store.table("token").get(request.bearer)
    if token is None or token["_session_kind"] != COMPAT or not store.is_live(token):
        raise Refused(Reply(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Invalid access token"}))
    session = store.session_of(token)
    store.end(session)
    service.worker.schedule(SYNC, store.table("user")[session["user_id"]])
    return Reply(200, {})


PATHS: dict[tuple[str, str], Callable[[StandInService, Request], Reply]] = {
    ("GET", "/.well-known/openid-configuration"): discovery,
    ("POST", "/oauth2/registration"): register_client,
    ("POST", "/oauth2/device"): device_authorization,
    ("POST", "/oauth2/token"): token,
    ("POST", "/oauth2/introspect"): introspect,
    ("POST", "/oauth2/revoke"): revoke,
    ("GET", "/link"): link,
    ("POST", "/link"): link,
    ("GET", "/_matrix/client/v3/login"): login,
    ("POST", "/_matrix/client/v3/login"): login,
    ("POST", "/_matrix/client/v3/logout"): logout,
}

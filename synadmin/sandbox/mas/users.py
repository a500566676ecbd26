"""The operations of the admin API on users, their e-mail addresses and their upstream links."""

import re

from synadmin.sandbox.mas.admin import (
    Call,
    Fits,
    has_status,
    has_text,
    is_flag,
    is_text,
    lists,
    refers,
    returns_one,
    route,
    single,
)
from synadmin.sandbox.mas.jobs import DEACTIVATE, PROVISION
from synadmin.sandbox.mas.names import now, written
from synadmin.sandbox.mas.store import COMPAT, OAUTH, Record, has_ended
from synadmin.sandbox.mas.synapse import SynapseError
from synadmin.sandbox.mas.web import Refused, Reply, is_ulid, json_body, refused
from synadmin.sandbox.mas.web import is_flag as is_boolean
from synadmin.sandbox.mas.web import is_text as is_string

_NO_USER = "User ID {} not found"
_USERNAME = re.compile(r"[a-z0-9=\-./+][a-z0-9=_\-./+]{0,254}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_STRONGER = 4  # characters for each step of complexity; MAS estimates the time to guess the password


def _has_session(call: Call, kind: str, user: Record) -> bool:
    return bool(call.store.sessions(kind, user["_id"]))


def _active_client(call: Call, values: list[str]) -> Fits:
    fits = refers("client_id", "oauth2-client", "Client ID {} not found")(call, values)
    sessions = call.store.table(OAUTH).values()
    users = {session["user_id"] for session in sessions if fits(session) and not has_ended(session)}
    return lambda user: user["_id"] in users


_USER_FILTERS = {
    "admin": is_flag(lambda user: user["admin"]),
    "legacy-guest": is_flag(lambda user: user["legacy_guest"]),
    "search": has_text("username"),
    "status": has_status(
        active=lambda user: not (user["locked_at"] or user["deactivated_at"]),
        locked=lambda user: user["locked_at"] is not None,
        deactivated=lambda user: user["deactivated_at"] is not None,
    ),
    "active-oauth2-client": _active_client,
    "has-active-oauth2-session": lambda call, values: is_flag(lambda user: _has_session(call, OAUTH, user))(
        call, values
    ),
    "has-active-compat-session": lambda call, values: is_flag(lambda user: _has_session(call, COMPAT, user))(
        call, values
    ),
}


def _failed(error: SynapseError) -> Refused:
    return refused(500, "Unexpected HTTP response from the homeserver", str(error))


lists("/users", "user", _USER_FILTERS, since=(0, 10))


@route("POST", "/users", since=(0, 10))
def create_user(call: Call) -> Reply:
    """Create a user, also in Synapse."""
    optional = {"skip_homeserver_check": is_boolean, "displayname": is_string, "avatar_url": is_string}
    body = json_body(call.request, {"username": is_string}, optional)
    username = body["username"]
    if call.store.user_named(username):
        raise refused(409, "User already exists")
    if not _USERNAME.fullmatch(username):
        raise refused(400, "Username is not valid")
    names = ("displayname", "avatar_url")
    profile = {f"set_{name}": body[name] for name in names if body.get(name) is not None}
    synapse = call.service.synapse
    try:
        if not (synapse.is_available(username) or body.get("skip_homeserver_check")):
            raise refused(409, "Username is reserved by the homeserver")
        synapse.post("provision_user", localpart=username, locked=False, **profile)
    except SynapseError as error:
        raise _failed(error) from None
    return single(call.store.add_user(username), status=201)


@route("GET", "/users/by-username/{username}", since=(0, 10))
def get_user_by_username(call: Call) -> Reply:
    """Return the user with this name."""
    user = call.store.user_named(call.parameter)
    if user is None:
        raise refused(404, f'User with username "{call.parameter}" not found')
    itself = single(user)
    itself.json["links"]["self"] = f"/api/admin/v1/users/by-username/{call.parameter}"
    return itself


returns_one("/users/{id}", "user", _NO_USER, since=(0, 10))


@route("POST", "/users/{id}/set-password", since=(0, 10))
def set_password(call: Call) -> Reply:
    """Set a user's password. Sessions stay active."""
    if not call.store.knobs.passwords:
        raise refused(403, "Password auth is disabled")
    user = call.find("user", _NO_USER)
    body = json_body(call.request, {"password": is_string}, {"skip_password_check": is_boolean})
    shortest = _STRONGER * call.store.knobs.minimum_password_complexity
    if len(body["password"]) < shortest and not body.get("skip_password_check"):
        raise refused(400, "Password is too weak")
    user["_password"] = body["password"]
    return Reply(204)


@route("POST", "/users/{id}/set-admin", since=(0, 10))
def set_admin(call: Call) -> Reply:
    """Set whether a user may ask for admin scopes."""
    user = call.find("user", _NO_USER)
    user["admin"] = json_body(call.request, {"admin": is_boolean}, {})["admin"]
    return single(user, action="set-admin")


@route("POST", "/users/{id}/deactivate", since=(0, 10))
def deactivate(call: Call) -> Reply:
    """Deactivate a user; a job deactivates the account in Synapse."""
    user = call.find("user", _NO_USER)
    optional = {"skip_erase": is_boolean} if call.store.knobs.is_at_least((0, 20)) else {}
    body = json_body(call.request, {}, optional, whole=False)
    user["deactivated_at"] = user["deactivated_at"] or written(now())
    erase = not (optional and body.get("skip_erase"))
    call.service.worker.schedule(DEACTIVATE, user, erase=erase)
    return single(user, action="deactivate")


@route("POST", "/users/{id}/reactivate", since=(0, 20))
def reactivate(call: Call) -> Reply:
    """Reactivate a user, in Synapse first."""
    user = call.find("user", _NO_USER)
    try:
        call.service.synapse.post("reactivate_user", localpart=user["username"])
    except SynapseError as error:
        raise _failed(error) from None
    user["deactivated_at"] = None
    return single(user, action="reactivate")


@route("POST", "/users/{id}/lock", since=(0, 10))
def lock(call: Call) -> Reply:
    """Lock a user."""
    user = call.find("user", _NO_USER)
    user["locked_at"] = user["locked_at"] or written(now())
    return _locked(call, user, "lock")


@route("POST", "/users/{id}/unlock", since=(0, 10))
def unlock(call: Call) -> Reply:
    """Unlock a user."""
    user = call.find("user", _NO_USER)
    user["locked_at"] = None
    return _locked(call, user, "unlock")


def _locked(call: Call, user: Record, action: str) -> Reply:
    if call.store.knobs.is_at_least((1, 14)):
        call.service.worker.schedule(PROVISION, user)
    return single(user, action=action)


# E-mail addresses


def _is_email(_: Call, values: list[str]) -> Fits:
    return lambda email: bool(email["email"].lower() == values[-1].lower())


lists(
    "/user-emails",
    "user-email",
    {"user": refers("user_id", "user", _NO_USER), "email": _is_email},
    since=(0, 14),
)


@route("POST", "/user-emails", since=(0, 15))
def add_user_email(call: Call) -> Reply:
    """Give a user an e-mail address."""
    body = json_body(call.request, {"user_id": is_ulid, "email": is_string}, {})
    user = call.known("user", body["user_id"], _NO_USER)
    if not _EMAIL.fullmatch(body["email"]):
        raise refused(400, f'Email "{body["email"]}" is not valid', "Missing domain or user")
    if any(
        email["email"].lower() == body["email"].lower() for email in call.store.table("user-email").values()
    ):
        raise refused(409, f'User email "{body["email"]}" already in use')
    email = call.store.add("user-email", {"user_id": user["_id"], "email": body["email"]})
    call.service.worker.schedule(PROVISION, user)
    return single(email, status=201)


returns_one("/user-emails/{id}", "user-email", "User email ID {} not found", since=(0, 14))


@route("DELETE", "/user-emails/{id}", since=(0, 15))
def delete_user_email(call: Call) -> Reply:
    """Delete an e-mail address."""
    email = call.find("user-email", "User email ID {} not found")
    del call.store.table("user-email")[email["_id"]]
    call.service.worker.schedule(PROVISION, call.store.table("user")[email["user_id"]])
    return Reply(204)


# Upstream links and providers

_LINK, _NO_LINK = "upstream-oauth-link", "Upstream OAuth 2.0 Link ID {} not found"
_PROVIDER, _NO_PROVIDER = "upstream-oauth-provider", "Upstream OAuth 2.0 Provider ID {} not found"


lists(
    "/upstream-oauth-links",
    _LINK,
    {
        "user": refers("user_id", "user", _NO_USER),
        "provider": refers("provider_id", _PROVIDER, "Provider ID {} not found"),
        "subject": is_text("subject"),
        "human-account-name": has_text("human_account_name"),
    },
    since=(0, 14),
)


@route("POST", "/upstream-oauth-links", since=(0, 15))
def add_link(call: Call) -> Reply:
    """Link a user to an account at an upstream provider."""
    required = {"user_id": is_ulid, "provider_id": is_ulid, "subject": is_string}
    body = json_body(call.request, required, {"human_account_name": is_string})
    user = call.known("user", body["user_id"], _NO_USER)
    provider = call.known(_PROVIDER, body["provider_id"], _NO_PROVIDER)
    for link in call.store.table(_LINK).values():
        if (link["provider_id"], link["subject"]) == (provider["_id"], body["subject"]):
            if link["user_id"] is not None:
                raise refused(409, "The subject is already linked to a user")
            link["user_id"] = user["_id"]
            return single(link)
    attributes = {"provider_id": provider["_id"], "subject": body["subject"], "user_id": user["_id"]}
    attributes["human_account_name"] = body.get("human_account_name")
    return single(call.store.add(_LINK, attributes), status=201)


returns_one("/upstream-oauth-links/{id}", _LINK, _NO_LINK, since=(0, 14))


@route("DELETE", "/upstream-oauth-links/{id}", since=(0, 15))
def delete_link(call: Call) -> Reply:
    """Remove an upstream link."""
    del call.store.table(_LINK)[call.find(_LINK, _NO_LINK)["_id"]]
    return Reply(204)


lists(
    "/upstream-oauth-providers",
    _PROVIDER,
    {"enabled": is_flag(lambda provider: provider["disabled_at"] is None)},
    since=(1, 3),
)
returns_one("/upstream-oauth-providers/{id}", _PROVIDER, "Provider not found", since=(1, 4))

"""The operations of the admin API on the four kinds of sessions, and on clients."""

from synadmin.sandbox.mas.admin import (
    Call,
    Filter,
    Fits,
    has_scope,
    has_status,
    has_text,
    has_time,
    is_flag,
    lists,
    refers,
    returns_one,
    route,
    single,
)
from synadmin.sandbox.mas.jobs import SYNC
from synadmin.sandbox.mas.store import (
    BROWSER,
    COMPAT,
    OAUTH,
    PERSONAL,
    Record,
    devices_in,
    has_ended,
    is_scope,
)
from synadmin.sandbox.mas.synapse import SynapseError
from synadmin.sandbox.mas.web import Reply, is_count, is_text, is_ulid, json_body, refused

_NO_USER, _NO_CLIENT = "User ID {} not found", "Client ID {} not found"
_FINISHED = has_status(active=lambda session: not has_ended(session), finished=has_ended)
_TIMES: dict[str, Filter] = {
    f"{name}-{side}": has_time(f"{name.replace('-', '_')}_at", before=side == "before")
    for name in ("created", "last-active")
    for side in ("before", "after")
}
_USER = refers("user_id", "user", _NO_USER)
_STARTED_IN = refers("user_session_id", BROWSER, "User session ID {} not found")
_TITLES = {
    COMPAT: "Compatibility session",
    OAUTH: "OAuth 2.0 session",
    BROWSER: "User session",
    PERSONAL: "Personal session",
}


def _find(call: Call, kind: str) -> Record:
    return call.find(kind, f"{_TITLES[kind]} with ID {{}} not found")


def _finishes(template: str, kind: str) -> None:
    """Declare the operation that ends a session. Sessions that a browser session started continue."""

    @route("POST", template, since=(1, 4))
    def finish(call: Call) -> Reply:
        session = _find(call, kind)
        if has_ended(session):
            raise refused(400, f"{_TITLES[kind]} with ID {session['_id']} is already finished")
        call.store.end(session)
        if session["user_id"] and kind != BROWSER:
            call.service.worker.schedule(SYNC, call.store.table("user")[session["user_id"]])
        return single(session, action="finish")


lists(
    "/compat-sessions",
    COMPAT,
    {"user": _USER, "user-session": _STARTED_IN, "status": _FINISHED, **_TIMES},
    since=(0, 14),
)
returns_one("/compat-sessions/{id}", COMPAT, "Compatibility session ID {} not found", since=(0, 14))
_finishes("/compat-sessions/{id}/finish", COMPAT)
lists("/user-sessions", BROWSER, {"user": _USER, "status": _FINISHED, **_TIMES}, since=(0, 14))
returns_one("/user-sessions/{id}", BROWSER, "User session ID {} not found", since=(0, 14))
_finishes("/user-sessions/{id}/finish", BROWSER)


def _client_kind(call: Call, values: list[str]) -> Fits:
    clients = call.store.table("oauth2-client")
    kinds = has_status(
        static=lambda session: clients[session["client_id"]]["is_static"],
        dynamic=lambda session: not clients[session["client_id"]]["is_static"],
    )
    return kinds(call, values)


lists(
    "/oauth2-sessions",
    OAUTH,
    {
        "user": _USER,
        "client": refers("client_id", "oauth2-client", _NO_CLIENT),
        "client-kind": _client_kind,
        "user-session": _STARTED_IN,
        "scope": has_scope,
        "status": _FINISHED,
        **_TIMES,
    },
    since=(0, 10),
)
returns_one("/oauth2-sessions/{id}", OAUTH, "OAuth 2.0 session ID {} not found", since=(0, 10))
_finishes("/oauth2-sessions/{id}/finish", OAUTH)


# Personal sessions


lists(
    "/personal-sessions",
    PERSONAL,
    {
        "owner_user": refers("owner_user_id", "user", _NO_USER),
        "owner_client": refers("owner_client_id", "oauth2-client", _NO_CLIENT),
        "actor_user": refers("actor_user_id", "user", _NO_USER),
        "scope": has_scope,
        "status": has_status(active=lambda session: not has_ended(session), revoked=has_ended),
        "expires_before": has_time("expires_at", before=True),
        "expires_after": has_time("expires_at", before=False),
        "expires": is_flag(lambda session: session["expires_at"] is not None),
    },
    since=(1, 5),
)


@route("POST", "/personal-sessions", since=(1, 5))
def create_personal_session(call: Call) -> Reply:
    """Create a personal session: its owner acts as a user."""
    required = {"actor_user_id": is_ulid, "human_name": is_text, "scope": is_text}
    body = json_body(call.request, required, {"expires_in": is_count})
    actor = call.store.table("user").get(body["actor_user_id"].upper())
    if actor is None:
        raise refused(404, "User not found")
    if actor["deactivated_at"] is not None:
        raise refused(410, "User is not active")
    if not is_scope(body["scope"]):
        raise refused(400, "Invalid scope")
    scope = " ".join(sorted(set(body["scope"].split())))
    try:
        for device in devices_in(body["scope"]):
            call.service.synapse.post("upsert_device", localpart=actor["username"], device_id=device)
    except SynapseError as error:
        raise refused(500, "Failed to provision device", str(error)) from None
    attributes = {"human_name": body["human_name"], "scope": scope}
    attributes |= {**call.owner(), "actor_user_id": actor["_id"], "expires_at": None}
    return _with_token(call, call.store.add_session(PERSONAL, attributes), body.get("expires_in"))


returns_one("/personal-sessions/{id}", PERSONAL, "Personal session not found", since=(1, 5))


@route("POST", "/personal-sessions/{id}/revoke", since=(1, 5))
def revoke_personal_session(call: Call) -> Reply:
    """End a personal session."""
    session = _find(call, PERSONAL)
    if has_ended(session):
        raise refused(409, f"Personal session with ID {session['_id']} is already revoked")
    call.store.end(session)
    session["expires_at"] = None
    if devices_in(session["scope"]):
        call.service.worker.schedule(SYNC, call.store.table("user")[session["actor_user_id"]])
    return single(session)


@route("POST", "/personal-sessions/{id}/regenerate", since=(1, 5))
def regenerate_personal_session(call: Call) -> Reply:
    """Give a personal session a new token; the old token ends."""
    session = call.find(PERSONAL, "Session not found")
    body = json_body(call.request, {}, {"expires_in": is_count})
    if has_ended(session):
        raise refused(422, "Session not valid")
    if call.owner() != {name: session[name] for name in ("owner_user_id", "owner_client_id")}:
        raise refused(403, "Session does not belong to you")
    for token in call.store.table("token").values():
        if token["_session"] == session["_id"]:
            token["_revoked"] = True
    return _with_token(call, session, body.get("expires_in"))


def _with_token(call: Call, session: Record, seconds: int | None) -> Reply:
    token = call.store.add_token(session, "mpt", seconds)
    session["expires_at"] = token["_expires"]
    return single(session, status=201, access_token=token["_token"])


# Clients


def _has_sessions(call: Call, values: list[str]) -> Fits:
    active = {session["client_id"] for session in call.store.table(OAUTH).values() if not has_ended(session)}
    return is_flag(lambda client: client["_id"] in active)(call, values)


lists(
    "/oauth2-clients",
    "oauth2-client",
    {
        "client-kind": has_status(
            static=lambda client: client["is_static"], dynamic=lambda client: not client["is_static"]
        ),
        "client-name": has_text("client_name"),
        "client-uri": has_text("client_uri"),
        "grant-type": lambda _, values: lambda client: values[-1] in client["grant_types"],
        "has-active-sessions": _has_sessions,
    },
    since=(1, 20),
)
returns_one("/oauth2-clients/{id}", "oauth2-client", "OAuth 2.0 client ID {} not found", since=(1, 20))

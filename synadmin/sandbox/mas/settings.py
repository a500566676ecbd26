"""The operations of the admin API on registration tokens, policy data, and the site configuration."""

from synadmin.sandbox.mas.admin import Call, is_flag, page, route, single
from synadmin.sandbox.mas.names import moment, now, random_text, written
from synadmin.sandbox.mas.store import Record
from synadmin.sandbox.mas.web import Reply, is_count, is_text, is_time, json_body, refused

_TOKEN, _NO_TOKEN = "user-registration_token", "Registration token with ID {} not found"
_LENGTH = 12  # characters of a random token


def _expired(token: Record) -> bool:
    return token["expires_at"] is not None and moment(token["expires_at"]) <= now()


def _valid(token: Record) -> bool:
    spent = token["usage_limit"] is not None and token["times_used"] >= token["usage_limit"]
    return not (token["revoked_at"] or spent or _expired(token))


def _shown(token: Record, *, status: int = 200, action: str = "") -> Reply:
    token["valid"] = _valid(token)
    return single(token, status=status, action=action)


@route("GET", "/user-registration-tokens", since=(0, 17))
def list_registration_tokens(call: Call) -> Reply:
    """List registration tokens."""
    for token in call.store.table(_TOKEN).values():
        token["valid"] = _valid(token)
    filters = {
        "used": is_flag(lambda token: token["times_used"] > 0),
        "revoked": is_flag(lambda token: token["revoked_at"] is not None),
        "expired": is_flag(_expired),
        "valid": is_flag(_valid),
    }
    return page(call, _TOKEN, filters)


@route("POST", "/user-registration-tokens", since=(0, 17))
def add_registration_token(call: Call) -> Reply:
    """Make a registration token."""
    fields = {"token": is_text, "usage_limit": is_count, "expires_at": is_time}
    body = json_body(call.request, {}, fields)
    text = body.get("token") or random_text(_LENGTH)
    if any(token["token"] == text for token in call.store.table(_TOKEN).values()):
        raise refused(409, "A registration token with the same token already exists")
    attributes = {
        "token": text,
        "usage_limit": body.get("usage_limit"),
        "times_used": 0,
        "last_used_at": None,
    }
    expires = body.get("expires_at")
    attributes["expires_at"] = None if expires is None else written(moment(expires))
    token = call.store.add(_TOKEN, {**attributes, "revoked_at": None})
    return _shown(token, status=201)


@route("GET", "/user-registration-tokens/{id}", since=(0, 17))
def get_registration_token(call: Call) -> Reply:
    """Return a registration token."""
    return _shown(call.find(_TOKEN, _NO_TOKEN))


@route("PUT", "/user-registration-tokens/{id}", since=(0, 17))
def update_registration_token(call: Call) -> Reply:
    """Change a registration token: absent fields stay, null removes a limit."""
    token = call.find(_TOKEN, _NO_TOKEN)
    body = json_body(call.request, {}, {"usage_limit": is_count, "expires_at": is_time})
    if "usage_limit" in body:
        token["usage_limit"] = body["usage_limit"]
    if "expires_at" in body:
        expires = body["expires_at"]
        token["expires_at"] = None if expires is None else written(moment(expires))
    return _shown(token)


@route("POST", "/user-registration-tokens/{id}/revoke", since=(0, 17))
def revoke_registration_token(call: Call) -> Reply:
    """Revoke a registration token."""
    token = call.find(_TOKEN, _NO_TOKEN)
    if token["revoked_at"] is not None:
        raise refused(400, f"Registration token with ID {token['_id']} is already revoked")
    token["revoked_at"] = written(now())
    return _shown(token, action="revoke")


@route("POST", "/user-registration-tokens/{id}/unrevoke", since=(0, 17))
def unrevoke_registration_token(call: Call) -> Reply:
    """Make a revoked registration token valid again."""
    token = call.find(_TOKEN, _NO_TOKEN)
    if token["revoked_at"] is None:
        raise refused(400, f"Registration token with ID {token['_id']} is not revoked")
    token["revoked_at"] = None
    return _shown(token, action="unrevoke")


# Policy data

_POLICY = "policy-data"


@route("POST", "/policy-data", since=(0, 15))
def set_policy_data(call: Call) -> Reply:
    """Store new policy data. The stand-in has no policy that reads it."""
    body = json_body(call.request, {"data": lambda _: True}, {})
    # MAS also accepts null: then it has no policy data, not even that of its configuration file.
    if not isinstance(body["data"], dict | None):
        raise refused(400, "Failed to instanciate policy with the provided data", "invalid policy data")
    return single(call.store.add(_POLICY, {"data": body["data"]}), status=201)


@route("GET", "/policy-data/latest", since=(0, 15))
def get_latest_policy_data(call: Call) -> Reply:
    """Return the newest policy data."""
    every = list(call.store.table(_POLICY).values())
    if not every:
        raise refused(404, "No policy data found")
    return single(every[-1])


@route("GET", "/policy-data/{id}", since=(0, 15))
def get_policy_data(call: Call) -> Reply:
    """Return the newest policy data, whatever id is given, as MAS 1.22.0 does."""
    every = list(call.store.table(_POLICY).values())
    return single(every[-1]) if every else single(call.find(_POLICY, "Policy data with ID {} not found"))


# The site


@route("GET", "/site-config", since=(1, 3))
def site_config(call: Call) -> Reply:
    """Return the public part of the configuration."""
    config = {
        "server_name": call.service.server_name(),
        "password_login_enabled": call.store.knobs.passwords,
        "password_registration_enabled": False,
        "password_registration_email_required": True,
        "password_registration_token_required": False,
        "registration_token_required": False,
        "email_change_allowed": True,
        "displayname_change_allowed": True,
        "password_change_allowed": call.store.knobs.passwords,
        "account_recovery_allowed": False,
        "account_deactivation_allowed": True,
        "captcha_enabled": False,
        "minimum_password_complexity": call.store.knobs.minimum_password_complexity,
    }
    return Reply(200, config)


@route("GET", "/version", since=(1, 4))
def version(call: Call) -> Reply:
    """Return MAS's version."""
    return Reply(200, {"version": call.store.knobs.version})

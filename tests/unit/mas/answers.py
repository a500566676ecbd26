"""Answers of the Matrix Authentication Service (MAS), and a stub homeserver that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.stub import Reply, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.stub import Stub

API = "/api/admin/v1"
VERSION = f"{API}/version"
METADATA = "/_matrix/client/v1/auth_metadata"
MADE = "2026-01-02T03:04:05.678901Z"
ALICE = "01K0000000000000000000A11C"
NO_SUCH_PATH = Reply(404, b"<!DOCTYPE html>\n<title>Page not found</title>", {"Content-Type": "text/html"})
NO_SCOPE = json_reply({"errors": [{"title": "Missing urn:mas:admin scope"}]}, 401)
SITE_CONFIG = {
    "server_name": "example.org",
    "password_login_enabled": True,
    "password_registration_enabled": True,
    "password_registration_email_required": True,
    "password_registration_token_required": False,
    "registration_token_required": False,
    "email_change_allowed": True,
    "displayname_change_allowed": True,
    "password_change_allowed": True,
    "account_recovery_allowed": False,
    "account_deactivation_allowed": True,
    "captcha_enabled": False,
    "minimum_password_complexity": 3,
}


def resource(kind: str, id_: str, **attributes: object) -> dict[str, Any]:
    """Return a record as an answer contains it."""
    path = f"{API}/{kind}s/{id_}"
    return {"type": kind, "id": id_, "attributes": attributes, "links": {"self": path}}


def single(kind: str, id_: str, attributes: Mapping[str, object], *, status: int = 200) -> Reply:
    """Return the reply with one record."""
    record = resource(kind, id_, **attributes)
    return json_reply({"data": record, "links": record["links"]}, status)


def page(kind: str, records: Mapping[str, Mapping[str, object]], *, more: bool = False) -> Reply:
    """Return the reply with a page of records, by their ids."""
    path = f"{API}/{kind}s"
    links = {"self": path, "first": f"{path}?page[first]=100", "last": f"{path}?page[last]=100"}
    if more:
        links["next"] = f"{path}?page[after]={list(records)[-1]}&page[first]=100"
    data = [
        {**resource(kind, id_, **attributes), "meta": {"page": {"cursor": id_}}}
        for id_, attributes in records.items()
    ]
    return json_reply({"data": data, "links": links})


def error(status: int, title: str) -> Reply:
    """Return the reply with an error of the admin API."""
    return json_reply({"errors": [{"title": title}]}, status)


def user(username: str, **attributes: object) -> dict[str, object]:
    """Return the attributes of an account."""
    return {
        "username": username,
        "created_at": MADE,
        "locked_at": None,
        "deactivated_at": None,
        "admin": False,
        "legacy_guest": False,
        **attributes,
    }


def in_charge(stub: Stub) -> Stub:
    """Let MAS manage the accounts of the stub homeserver; both have the same address."""
    url = stub.url
    stub.on(
        METADATA,
        json_reply(
            {
                "issuer": f"{url}/",
                "token_endpoint": f"{url}/oauth2/token",
                "revocation_endpoint": f"{url}/oauth2/revoke",
                "registration_endpoint": f"{url}/oauth2/registration",
                "device_authorization_endpoint": f"{url}/oauth2/device",
                "account_management_uri": f"{url}/account/",
            }
        ),
    )
    stub.on(VERSION, json_reply({"version": "v1.22.0"}))
    stub.on(f"{API}/site-config", json_reply(SITE_CONFIG))
    stub.on("*", refused(404, "M_UNRECOGNIZED", "Unrecognized request"))
    return stub

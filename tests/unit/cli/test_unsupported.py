"""The explanation of ``M_UNRECOGNIZED`` names the software, version or configuration of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.cli.unsupported import explain_unsupported
from synadmin.errors import NotSupportedError
from tests.unit.stub import HTML, Stub, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "/_synapse/admin/v1/server_version"
AUTH_METADATA = "/_matrix/client/v1/auth_metadata"
TASKS = "GET /_synapse/admin/v1/scheduled_tasks"
PASSWORD = "POST /_synapse/admin/v1/reset_password/{target_user_id}"


def unrecognized(operation: str, errcode: str = "M_UNRECOGNIZED") -> NotSupportedError:
    error = NotSupportedError(status=404, errcode=errcode, reason="Unrecognized request")
    error.operation = operation
    return error


@pytest.fixture
def explain(stub: Stub) -> Callable[..., str]:
    """Return a function that explains an error of the stub: message and hint in one line."""

    def explanation(operation: str, errcode: str = "M_UNRECOGNIZED", *, homeserver: str = stub.url) -> str:
        return " | ".join(
            map(str, explain_unsupported(Invocation(homeserver=homeserver), unrecognized(operation, errcode)))
        )

    return explanation


def test_too_old_synapse_is_named_with_the_first_version(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, json_reply({"server_version": "1.99.0"}))

    assert explain(TASKS) == (
        "GET /_synapse/admin/v1/scheduled_tasks: Synapse 1.99.0 is too old for it (M_UNRECOGNIZED, HTTP 404)"
        " | it needs Synapse 1.130"
    )


@pytest.mark.parametrize("name", ["Tuwunel", "Dendrite", "Conduit"])
def test_other_homeserver_software_is_named(stub: Stub, explain: Callable[..., str], name: str) -> None:
    stub.on("/_matrix/federation/v1/version", json_reply({"server": {"name": name, "version": "1.2.3"}}))
    assert f"this homeserver is {name} 1.2.3, not Synapse" in explain(TASKS)


def test_worker_with_a_federation_version_is_a_worker(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(
        "/_matrix/federation/v1/version", json_reply({"server": {"name": "Synapse", "version": "1.163.2"}})
    )
    assert "is not Synapse's main process" in explain(TASKS)


def test_release_candidate_is_not_too_old(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, json_reply({"server_version": "1.130.0rc1 (b=release,0123abcd)"}))

    assert "a worker answered" in explain(TASKS)


def test_worker_is_detected_by_the_main_process(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))

    assert "a worker answered" in explain(TASKS)
    assert "main process" in explain(TASKS)


def test_worker_is_detected_by_a_missing_version(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on("/_matrix/client/versions", json_reply({"versions": ["v1.11"]}))

    assert "not Synapse's main process" in explain(TASKS)


def test_media_repository_may_be_separate(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))

    assert "media repository" in explain("POST /_synapse/admin/v1/purge_media_cache")


def test_operation_disabled_by_mas_is_explained(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(AUTH_METADATA, json_reply({"issuer": "https://account.example.org/"}))
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))

    assert "Matrix Authentication Service" in explain(PASSWORD)
    assert "mas-cli manage set-password" in explain(PASSWORD)


def test_operation_kept_under_mas_is_not_blamed_on_mas(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(AUTH_METADATA, json_reply({"issuer": "https://account.example.org/"}))
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))

    assert "Authentication" not in explain(TASKS)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("POST /_synapse/admin/v1/users/@a:b/login", "issue-compatibility-token"),
        ("PUT /_synapse/admin/v1/users/{user_id}/admin", "promote-admin"),
        ("POST /_synapse/admin/v1/register", "register-user"),
        ("POST /_synapse/admin/v1/registration_tokens/new", "issue-user-registration-token"),
        ("POST /_synapse/admin/v1/account_validity/validity", "`synadmin user lock USER` locks one"),
    ],
)
def test_replacement_in_mas_is_named(
    stub: Stub, explain: Callable[..., str], path: str, command: str
) -> None:
    stub.on(AUTH_METADATA, json_reply({"issuer": "https://account.example.org/"}))

    assert command in explain(path)


def test_unknown_operation_is_reported(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))

    assert "Synapse 1.163.2 has no such operation" in explain("GET /_synapse/admin/v1/levitate")


def test_answer_of_a_proxy_is_distinguished(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on("*", HTML)

    assert "a proxy answered" in explain(TASKS, "M_UNKNOWN")


@pytest.mark.usefixtures("naps")
def test_unreachable_server_leaves_the_cause_open(explain: Callable[..., str]) -> None:
    assert "may be too old for it, or a worker" in explain(TASKS, homeserver=nobody_there())


def test_refused_version_leaves_the_cause_open(stub: Stub, explain: Callable[..., str]) -> None:
    stub.on(VERSION, refused(403, "M_FORBIDDEN"))

    assert "may be too old for it, or a worker" in explain(TASKS)


def test_error_without_a_request_is_unchanged(explain: Callable[..., str]) -> None:
    assert explain("") == "Unrecognized request (M_UNRECOGNIZED, HTTP 404) | None"

"""The commands of MAS: sessions, e-mail addresses, upstream links, registration tokens, personal tokens."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.live.mas.world import API

if TYPE_CHECKING:
    from tests.live.conftest import Answer, Synadmin
    from tests.live.mas.world import MasHomeserver


class Run(Protocol):
    def __call__(self, *arguments: str, stdin: str | None = None) -> Answer: ...


@pytest.fixture
def run(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> Run:
    """Return a function that runs a command as an admin of Synapse and MAS."""

    def call(*arguments: str, stdin: str | None = None) -> Answer:
        return synadmin(*arguments, server=mas_homeserver.server, acting=mas_homeserver.admin, stdin=stdin)

    return call


def records(answer: Answer) -> list[dict[str, Any]]:
    assert answer.code == 0, answer
    return list(json.loads(answer.stdout))


def test_mas_show_shows_the_service(mas_homeserver: MasHomeserver, run: Run) -> None:
    answer = run("mas", "show", "-o", "json")
    assert answer.code == 0, answer.stderr
    shown = json.loads(answer.stdout)
    assert shown["url"] == mas_homeserver.url.rstrip("/")
    assert shown["server_name"] == mas_homeserver.server.server_name
    assert shown["version"].startswith("1.")


def test_sessions_are_listed_and_ended(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    mas_homeserver.personal_token(mas_homeserver.user(alice)["id"], API)
    found = records(run("user", "sessions", alice.user_id, "-o", "json"))
    assert sorted(one["kind"] for one in found) == ["compatibility", "personal"]
    assert (
        records(run("user", "sessions", alice.user_id, "--kind", "personal", "-o", "json"))[0]["name"]
        == "tests"
    )
    (ended,) = records(run("user", "end-sessions", alice.user_id, "--yes", "-o", "json"))
    assert (ended["outcome"], ended["sessions"]) == ("done", 2)
    assert records(run("user", "sessions", alice.user_id, "-o", "json")) == []
    (again,) = records(run("user", "end-sessions", alice.user_id, "--yes", "-o", "json"))
    assert (again["outcome"], again["message"]) == ("done", "no session to end")


def test_session_in_use_is_kept(mas_homeserver: MasHomeserver, run: Run) -> None:
    admin = mas_homeserver.admin.user_id
    assert run("user", "end-sessions", admin, "--yes").code == 0
    assert run("mas", "show").code == 0
    (again,) = records(run("user", "end-sessions", admin, "-o", "json"))  # no session to end, so no question
    assert again["message"] == "no session to end"


def test_email_addresses_are_added_and_removed(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    address = f"{secrets.token_hex(4)}@example.org"
    assert records(run("user", "email", "add", alice.user_id, address, "-o", "json"))[0]["outcome"] == "done"
    assert [one["email"] for one in records(run("user", "email", "list", alice.user_id, "-o", "json"))] == [
        address
    ]
    again = records(run("user", "email", "add", alice.user_id, address, "-o", "json"))
    assert again[0]["message"] == f"already has {address}"
    assert run("user", "email", "remove", alice.user_id, address, "--yes").code == 0
    assert records(run("user", "email", "list", alice.user_id, "-o", "json")) == []


def test_upstream_links_are_added_and_removed(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    providers = records(run("user", "link", "providers", "-o", "json"))
    assert records(run("user", "link", "list", alice.user_id, "-o", "json")) == []
    if not providers:
        missing = run("user", "link", "add", alice.user_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "4711", "--yes")
        assert missing.code == 4, missing
        return
    arguments = (alice.user_id, providers[0]["id"], secrets.token_hex(4))
    assert run("user", "link", "add", *arguments, "--yes").code == 0
    (found,) = records(run("user", "link", "list", alice.user_id, "-o", "json"))
    assert found["subject"] == arguments[2]
    assert run("user", "link", "remove", *arguments, "--yes").code == 0
    assert records(run("user", "link", "list", alice.user_id, "-o", "json")) == []


def test_registration_tokens_of_mas_are_managed(run: Run) -> None:
    name = f"summer-{secrets.token_hex(4)}"
    created = run(
        "registration-token", "create", name, "--uses", "3", "--expires", "2099-01-01", "-o", "json"
    )
    (record,) = records(created)
    assert (record["uses_allowed"], record["expiry_time"]) == (3, 4070908800000)
    (generated,) = records(run("registration-token", "create", "-o", "json"))
    assert len(generated["token"]) == 12
    taken = run("registration-token", "create", name)
    assert taken.code == 5
    (changed,) = records(
        run("registration-token", "update", name, "--unlimited", "--never-expires", "-o", "json")
    )
    assert (changed["uses_allowed"], changed["expiry_time"]) == (None, None)
    assert run("registration-token", "delete", name, "--yes").code == 0
    shown = json.loads(run("registration-token", "show", name, "-o", "json").stdout)
    assert (shown["valid"], shown["revoked_at"] is not None) == (False, True)
    assert "valid         no" in run("registration-token", "show", name).stdout.splitlines()
    (again,) = records(run("registration-token", "delete", name, "--yes", "-o", "json"))
    assert again["message"] == "already revoked"
    valid = records(run("registration-token", "list", "--valid", "-o", "json"))
    assert name not in {one["token"] for one in valid}
    assert run("registration-token", "show", f"{name}-x").code == 4


def test_personal_token_for_cron_is_created_and_revoked(
    mas_homeserver: MasHomeserver, run: Run, synadmin: Synadmin
) -> None:
    admin = mas_homeserver.admin
    without_end = run("mas", "token", "create", admin.user_id, "--name", "nightly", "--yes")
    assert without_end.code == 2
    answer = run(
        "mas",
        "token",
        "create",
        admin.user_id,
        "--name",
        "nightly",
        "--expires",
        "30d",
        "--yes",
        "-o",
        "json",
    )
    (created,) = records(answer)
    acting = type(admin)(mas_homeserver.server.url, admin.user_id, created["access_token"])
    shown = synadmin("mas", "show", server=mas_homeserver.server, acting=acting)
    acting.close()
    assert shown.code == 0, shown.stderr
    listed = records(run("mas", "token", "list", "--user", admin.user_id, "-o", "json"))
    assert created["id"] in {one["id"] for one in listed}
    assert all("mpt_" not in json.dumps(one) for one in listed)
    unending = records(run("mas", "token", "list", "--unending", "-o", "json"))
    assert created["id"] not in {one["id"] for one in unending}
    assert run("mas", "token", "revoke", created["id"], "--yes").code == 0
    (again,) = records(run("mas", "token", "revoke", created["id"], "--yes", "-o", "json"))
    assert again["message"] == "already revoked"


def test_api_sends_any_operation_to_mas(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    name = alice.user_id[1:].partition(":")[0]
    answer = run("api", "GET", f"/api/admin/v1/users/by-username/{name}")
    assert json.loads(answer.stdout)["data"]["attributes"]["username"] == name
    id_ = mas_homeserver.user(alice)["id"]
    planned = json.loads(run("api", "POST", f"/api/admin/v1/users/{id_}/lock", "--dry-run").stdout)
    assert planned["outcome"] == "planned"


def test_mas_commands_are_refused_without_mas(synadmin: Synadmin) -> None:
    for arguments in (("mas", "show"), ("user", "sessions", "admin"), ("user", "email", "list", "admin")):
        answer = synadmin(*arguments)
        assert answer.code == 5, (arguments, answer)
        assert "Synapse manages the accounts of this server" in answer.stderr

"""Commands for accounts that MAS manages. Each change is made at MAS and read back at MAS and Synapse."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from synadmin.errors import MatrixError, NotFoundError
from tests.live.mas.world import ALL_SCOPES, API, REAL

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer, Synadmin
    from tests.live.mas.world import MasHomeserver

needs_stand_in = pytest.mark.skipif(REAL is not None, reason="only the stand-in has knobs")


class Run(Protocol):
    def __call__(
        self, *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> Answer: ...


@pytest.fixture
def run(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> Run:
    """Return a function that runs a command as an admin of Synapse and MAS."""

    def call(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Answer:
        server, admin = mas_homeserver.server, mas_homeserver.admin
        return synadmin(*arguments, server=server, acting=admin, stdin=stdin, env=env)

    return call


def record(answer: Answer) -> dict[str, Any]:
    """Return the only record that a command printed with ``-o json``."""
    (found,) = json.loads(answer.stdout)
    return dict(found)


def is_refused(who: Person) -> bool:
    """Return whether Synapse refuses the token of a user."""
    try:
        who.synapse.client_server.whoami()
    except MatrixError as error:
        return error.status == 401
    return False


def test_lock_is_set_and_lifted_in_mas_and_synapse(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    alice.make_room(members=[mas_homeserver.new_user("bob")])
    answer = run("user", "lock", alice.user_id, "--yes", "-o", "json")
    assert answer.code == 0, answer.stderr
    assert "the only user of this server with control of 1 room" in " ".join(answer.stderr.split())
    assert mas_homeserver.user(alice)["locked_at"] is not None
    assert mas_homeserver.admin.synapse.users.get(alice.user_id).locked
    # The session is new: Synapse may have cached the answer of MAS about its token.
    assert record(answer)["outcome"] == "pending"
    assert record(answer)["message"] == (
        "the account is locked. 1 session may still work for up to 2 minutes, until Synapse asks MAS again. "
        "You need not do anything"
    )
    again = run("user", "lock", alice.user_id, "--yes", "-o", "json")
    assert (again.code, record(again)["message"]) == (0, "already locked")
    answer = run("user", "unlock", alice.user_id, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.user(alice)["locked_at"] is None
    assert not mas_homeserver.admin.synapse.users.get(alice.user_id).locked


def test_lock_of_an_account_without_sessions_is_done(mas_homeserver: MasHomeserver, run: Run) -> None:
    name = f"quiet-{secrets.token_hex(4)}"
    mas_homeserver.create_user(name)
    answer = run("user", "lock", name, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer


def test_deactivation_is_done_when_the_token_is_refused(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob])
    answer = run("user", "deactivate", alice.user_id, "--yes", "--leave-rooms", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert is_refused(alice)
    assert mas_homeserver.user(alice)["deactivated_at"] is not None
    details = mas_homeserver.admin.synapse.users.get(alice.user_id)
    assert (details.deactivated, details.erased) == (True, False)
    assert mas_homeserver.admin.membership(room_id, alice) == "leave"
    answer = run("user", "reactivate", alice.user_id, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.user(alice)["deactivated_at"] is None
    assert not mas_homeserver.admin.synapse.users.get(alice.user_id).deactivated


def test_account_is_erased(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    answer = run("user", "deactivate", alice.user_id, "--erase", "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.admin.synapse.users.get(alice.user_id).erased


@pytest.mark.parametrize("verb", ["lock", "deactivate", "reactivate"])
def test_dry_run_changes_nothing(mas_homeserver: MasHomeserver, run: Run, verb: str) -> None:
    alice = mas_homeserver.new_user()
    if verb == "reactivate":
        assert run("user", "deactivate", alice.user_id, "--yes").code == 0
    before = mas_homeserver.user(alice)
    answer = run("user", verb, alice.user_id, "--dry-run", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "planned"), answer
    assert record(answer)["path"] == f"/api/admin/v1/users/{before['id']}/{verb}"
    assert mas_homeserver.user(alice) == before


def test_new_password_ends_the_sessions(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    answer = run("user", "password", alice.user_id, "--yes", "-o", "json", stdin="correct horse battery\n")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    mas_homeserver.wait_until(lambda: is_refused(alice))
    assert "correct horse" not in answer.stdout + answer.stderr


def test_admin_rights_are_granted_and_revoked_with_their_tokens(
    mas_homeserver: MasHomeserver, run: Run
) -> None:
    alice = mas_homeserver.new_user()
    answer = run("user", "admin", "grant", alice.user_id, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.user(alice)["admin"] is True
    assert alice.user_id in run("user", "list", "--admins", "-o", "name").stdout.splitlines()
    mas_homeserver.personal_token(mas_homeserver.user(alice)["id"], ALL_SCOPES)
    shown = json.loads(run("user", "admin", "show", alice.user_id, "-o", "json").stdout)
    assert (shown["admin"], shown["sessions"]) == (True, 1)
    answer = run("user", "admin", "revoke", alice.user_id, "--yes", "-o", "json")
    assert (answer.code, record(answer)["message"]) == (0, "1 session with admin rights ended"), answer
    shown = json.loads(run("user", "admin", "show", alice.user_id, "-o", "json").stdout)
    assert (shown["admin"], shown["sessions"]) == (False, 0)
    assert alice.user_id not in run("user", "list", "--admins", "-o", "name").stdout.splitlines()


def test_account_is_created_with_address_and_password(mas_homeserver: MasHomeserver, run: Run) -> None:
    name = f"rose-{secrets.token_hex(4)}"
    user_id = mas_homeserver.server.user_id(name)
    answer = run(
        *("user", "create", name, "--displayname", "Rose", "--password-stdin", "--admin"),
        *("--threepid", "email", f"{name}@example.org", "--yes", "-o", "json"),
        stdin="correct horse battery\n",
    )
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.user(name)["admin"] is True
    details = mas_homeserver.admin.synapse.users.get(user_id)
    assert details.displayname == "Rose"
    shown = json.loads(run("user", "show", name, "-o", "json").stdout)
    assert shown["mas"]["emails"] == [f"{name}@example.org"]
    lines = run("user", "show", name).stdout.splitlines()
    assert [" ".join(line.split()) for line in lines if line.startswith("mas ")] == [
        f"mas id {shown['mas']['id']}",
        f"mas created {shown['mas']['created_at']}",
        "mas locked -",
        "mas deactivated -",
        "mas legacy guest no",
        f"mas e-mail addresses {name}@example.org",
    ]
    found = json.loads(run("user", "find", "--email", f"{name}@example.org", "-o", "json").stdout)
    assert found["user_id"] == user_id
    assert user_id in run("user", "find", "ros", "-o", "name").stdout.split()
    again = run("user", "create", name, "--yes")
    assert again.code == 5
    assert "exists already" in again.stderr


def test_email_addresses_are_changed_in_mas(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    address = f"{secrets.token_hex(4)}@example.org"
    answer = run("user", "modify", alice.user_id, "--add-threepid", "email", address, "--yes")
    assert answer.code == 0, answer.stderr
    shown = json.loads(run("user", "show", alice.user_id, "-o", "json").stdout)
    assert shown["mas"]["emails"] == [address]
    bob = mas_homeserver.new_user("bob")
    taken = run("user", "modify", bob.user_id, "--add-threepid", "email", address, "--yes")
    assert taken.code == 5, taken
    answer = run("user", "modify", alice.user_id, "--remove-threepid", "email", address, "--yes")
    assert answer.code == 0, answer.stderr
    shown = json.loads(run("user", "show", alice.user_id, "-o", "json").stdout)
    assert shown["mas"]["emails"] == []


def test_user_login_creates_a_personal_session(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    answer = run("user", "login", alice.user_id, "--until", "10m", "--yes")
    assert answer.code == 0, answer.stderr
    token = answer.stdout.strip()
    acting = type(alice)(mas_homeserver.server.url, alice.user_id, token)
    assert acting.synapse.client_server.whoami().user_id == alice.user_id
    acting.close()


def test_unknown_account_is_not_found(mas_homeserver: MasHomeserver, run: Run) -> None:
    answer = run("user", "lock", "nobody-has-this-name", "--yes")
    assert answer.code == 4, answer
    with pytest.raises(NotFoundError):
        mas_homeserver.admin.synapse.users.get(mas_homeserver.server.user_id("nobody-has-this-name"))


@needs_stand_in
@pytest.mark.parametrize(("verb", "state"), [("lock", "locked"), ("deactivate", "deactivated")])
def test_outcome_is_pending_while_no_job_runs(
    mas_homeserver: MasHomeserver, run: Run, verb: str, state: str
) -> None:
    name = f"quiet-{secrets.token_hex(4)}"  # the account has no session that could make the outcome pending
    mas_homeserver.create_user(name)
    with mas_homeserver.knobs(worker=False):
        answer = run("user", verb, name, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "pending"), answer
    assert record(answer)["message"] == (
        f"MAS has {state} the account, Synapse has not: a job of MAS has not run yet. "
        "Run this command again later: it checks both"
    )


@needs_stand_in
@pytest.mark.parametrize(
    ("knob", "words"), [({"adminapi": False}, "does not serve it"), ({"version": "v0.19.0"}, "too old")]
)
def test_missing_client_or_scope_is_named(
    mas_homeserver: MasHomeserver, run: Run, knob: dict[str, Any], words: str
) -> None:
    alice = mas_homeserver.new_user()
    verb = "lock" if "adminapi" in knob else "reactivate"
    if verb == "reactivate":
        assert run("user", "deactivate", alice.user_id, "--yes").code == 0
    with mas_homeserver.knobs(**knob):
        answer = run("user", verb, alice.user_id, "--yes")
    assert answer.code == 5, answer
    assert words in " ".join(answer.stderr.split())


def test_token_without_the_scope_is_refused(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    alice = mas_homeserver.new_user()
    me = mas_homeserver.user(mas_homeserver.admin)
    token = mas_homeserver.personal_token(me["id"], f"{API} urn:synapse:admin:*")
    acting = type(alice)(mas_homeserver.server.url, mas_homeserver.admin.user_id, token)
    answer = synadmin("user", "lock", alice.user_id, "--yes", server=mas_homeserver.server, acting=acting)
    acting.close()
    assert answer.code == 5, answer
    assert "urn:mas:admin" in answer.stderr
    assert "mas-cli manage lock-user" in answer.stderr
    assert mas_homeserver.user(alice)["locked_at"] is None


def test_client_credentials_do_what_the_token_may_not(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    alice = mas_homeserver.new_user()
    me = mas_homeserver.user(mas_homeserver.admin)
    token = mas_homeserver.personal_token(me["id"], f"{API} urn:synapse:admin:*")
    acting = type(alice)(mas_homeserver.server.url, mas_homeserver.admin.user_id, token)
    client_id, secret = mas_homeserver.client
    env = {"SYNADMIN_MAS_CLIENT_ID": client_id, "SYNADMIN_MAS_CLIENT_SECRET": secret}
    answer = synadmin(
        "user", "lock", alice.user_id, "--yes", server=mas_homeserver.server, acting=acting, env=env
    )
    acting.close()
    assert answer.code == 0, answer
    assert mas_homeserver.user(alice)["locked_at"] is not None


def test_account_is_offboarded_under_mas(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob])
    answer = run(
        "user", "offboard", alice.user_id, "--to", bob.user_id, "--then", "deactivate", "--yes", "-o", "json"
    )
    assert answer.code == 0, answer.stderr
    assert record(answer)["outcome"] == "done"
    assert mas_homeserver.user(alice)["deactivated_at"] is not None
    assert is_refused(alice)
    content = (mas_homeserver.admin.levels_event(room_id) or {})["content"]
    assert content["users"][bob.user_id] == 100


def test_device_is_deleted_with_its_session(mas_homeserver: MasHomeserver, run: Run) -> None:
    alice = mas_homeserver.new_user()
    (device,) = (one.device_id for one in mas_homeserver.admin.synapse.devices.list(alice.user_id).devices)
    answer = run("device", "delete", alice.user_id, device, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert is_refused(alice)
    assert json.loads(run("user", "sessions", alice.user_id, "-o", "json").stdout) == []
    bob = mas_homeserver.new_user("bob")
    answer = run("device", "delete-all", bob.user_id, "--yes", "-o", "json")
    assert (answer.code, record(answer)["outcome"]) == (0, "done"), answer
    assert mas_homeserver.admin.synapse.devices.list(bob.user_id).total == 0
    assert json.loads(run("user", "sessions", bob.user_id, "-o", "json").stdout) == []

"""Accounts, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotAuthenticatedError, NotFoundError, NotPermittedError
from synadmin.ids import UserId, encoded
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Answer, Newcomer, Synadmin

HOUR = 3_600_000  # milliseconds
UNKNOWN_USER = "no-such-person"


def localpart(person: Person) -> str:
    return person.user_id[1:].partition(":")[0]


def records(answer: Answer) -> list[dict[str, Any]]:
    assert answer.code == 0, answer
    return [json.loads(line) for line in answer.stdout.splitlines()]


def can_sign_in(homeserver: Homeserver, user_id: str, password: str) -> bool:
    with Synapse(homeserver.url) as synapse:
        try:
            synapse.client_server.login(user_id, password)
        except MatrixError:
            return False
    return True


def is_signed_in(person: Person) -> bool:
    try:
        person.synapse.client_server.whoami()
    except NotAuthenticatedError:
        return False
    return True


@pytest.fixture
def same_name_accounts(homeserver: Homeserver, newcomer: Newcomer) -> tuple[str, dict[str, UserId]]:
    """Return a display name, and the four accounts that have it: active, deactivated, locked, and a bot."""
    people = {kind: newcomer(f"choir-{kind}").user_id for kind in ("active", "gone", "locked", "bot")}
    users = homeserver.admin.synapse.users
    name = f"Choir of {people['active']}"
    for user_id in people.values():
        users.modify(user_id, displayname=name)
    users.modify(people["gone"], deactivated=True)
    users.modify(people["locked"], locked=True)
    users.modify(people["bot"], user_type="bot")
    return name, people


def test_user_lists_v2_and_v3_differ_for_deactivated_accounts(
    homeserver: Homeserver, same_name_accounts: tuple[str, dict[str, UserId]]
) -> None:
    name, people = same_name_accounts
    users = homeserver.admin.synapse.users

    def listed(**filters: Any) -> set[str]:  # noqa: ANN401
        return {found.name for found in users.list(name=name, **filters)}

    def listed_v2(**filters: Any) -> set[str]:  # noqa: ANN401
        return {found.name for found in users.list_v2(name=name, **filters)}

    active, deactivated_user, locked, bot = (people[kind] for kind in ("active", "gone", "locked", "bot"))
    assert listed() == {active, deactivated_user, bot}
    assert listed(deactivated=True) == {deactivated_user}
    assert listed(deactivated=False) == {active, bot}
    assert listed(locked=True) == {active, deactivated_user, locked, bot}
    assert listed(not_user_types=["bot"]) == {active, deactivated_user}
    assert listed(not_user_types=["", "support"]) == {bot}
    assert listed(admins=True) == set()
    assert listed(admins=False, guests=False, approved=True) == {active, deactivated_user, bot}
    assert listed_v2() == {active, bot}
    assert listed_v2(deactivated=True, locked=True) == {active, deactivated_user, locked, bot}


def test_list_of_several_pages_is_sorted(
    homeserver: Homeserver, same_name_accounts: tuple[str, dict[str, UserId]]
) -> None:
    name, _ = same_name_accounts
    users = homeserver.admin.synapse.users

    found = [user.name for user in users.list(name=name, order_by="name", reverse=True, page_size=1)]

    assert len(found) == 3
    assert found == sorted(found, reverse=True)


def test_user_list_takes_every_filter_and_prints_every_field(
    same_name_accounts: tuple[str, dict[str, UserId]], synadmin: Synadmin
) -> None:
    name, people = same_name_accounts
    filters = ["--not-deactivated", "--locked", "--no-admins", "--no-guests", "--not-user-type", "bot"]

    lines = records(synadmin("user", "list", "--name", name, *filters, "--sort", "name:desc", "-o", "ndjson"))
    old = records(synadmin("user", "list", "--v2", "--name", name, "--deactivated", "-o", "ndjson"))
    found = synadmin("user", "find", name, "-o", "name")
    none = synadmin("user", "list", "--user-id", people["locked"])
    table = synadmin("user", "list", "--user-id", people["gone"])

    assert [line["name"] for line in lines] == [people["locked"]]
    assert lines[0]["locked"] is True
    assert {"creation_ts", "last_seen_ts", "avatar_url", "erased", "is_guest"} <= lines[0].keys()
    assert {line["name"] for line in old} == {people["active"], people["gone"], people["bot"]}
    assert table.stdout.splitlines()[2].startswith(people["gone"])
    assert "--locked lists them" in none.stdout + none.stderr
    # A search by name finds locked and deactivated accounts, too.
    assert set(found.stdout.split()) == set(people.values())


def test_every_field_of_an_account_can_be_set_and_is_shown(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    users = homeserver.admin.synapse.users
    threepids = [{"medium": "email", "address": f"{localpart(alice)}@example.org"}]
    external_ids = [{"auth_provider": "oidc-club", "external_id": f"club/{localpart(alice)}"}]

    changed = users.modify(
        alice.user_id,
        displayname="Alice Marigold",
        avatar_url="mxc://example.org/abcde",
        threepids=threepids,
        external_ids=external_ids,
        admin=True,
        user_type="support",
        password="wonderland",
        logout_devices=False,
    )
    shown = json.loads(synadmin("user", "show", localpart(alice), "-o", "json").stdout)
    table = synadmin("user", "show", alice.user_id).stdout

    assert changed.admin
    assert (changed.displayname, changed.avatar_url) == ("Alice Marigold", "mxc://example.org/abcde")
    assert [(one.medium, one.address) for one in changed.threepids] == [("email", threepids[0]["address"])]
    assert [one.external_id for one in changed.external_ids] == [f"club/{localpart(alice)}"]
    assert is_signed_in(alice)
    assert can_sign_in(homeserver, alice.user_id, "wonderland")
    assert (shown.pop("joined_rooms"), shown.pop("devices")) == (0, 1)
    assert shown == users.get(alice.user_id).as_sent()
    assert f"external ids oidc-club club/{localpart(alice)}" in " ".join(table.split())
    year = time.strftime("%Y", time.gmtime())
    created = next(line for line in table.splitlines() if line.startswith("created"))
    assert created.split()[1].startswith(year), "seconds were taken for milliseconds"


def test_unknown_user_is_not_found(synadmin: Synadmin) -> None:
    assert synadmin("user", "show", UNKNOWN_USER).code == 4


def test_names_that_need_percent_encoding_round_trip(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    name = f"club/old=2fbooks+1-{localpart(newcomer())}"

    created = records(synadmin("user", "create", name, "-o", "ndjson"))
    shown = json.loads(synadmin("user", "show", name, "-o", "json").stdout)

    assert created == [
        {
            "user_id": homeserver.user_id(name),
            "outcome": "done",
            "message": None,
            "errcode": None,
            "created": True,
        }
    ]
    assert shown["name"] == homeserver.user_id(name)


def test_existing_account_is_only_changed_where_allowed(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    name = f"singer-{localpart(newcomer())}"
    user_id = homeserver.user_id(name)
    command = ["user", "create", name, "--displayname", "The Singer", "--user-type", "bot"]
    command += ["--threepid", "email", f"{name}@Example.org", "--external-id", "oidc-club", f"{name}+1 %"]

    dry_run = synadmin(*command, "--password-stdin", "--dry-run", "-o", "ndjson")
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.users.get(user_id)
    first = synadmin(*command, "--password-stdin", stdin="do-re-mi\n")
    second = synadmin(*command)
    third = synadmin(*command, "--modify", "--admin", "-o", "ndjson")
    details = homeserver.admin.synapse.users.get(user_id)

    assert records(dry_run)[0]["body"]["password"] == "(removed)"
    assert first.code == 0
    assert second.code == 5
    assert second.stderr.startswith(f"synadmin: {user_id} exists already\n")
    assert records(third)[0]["created"] is False
    assert details.admin
    assert (details.displayname, details.user_type) == ("The Singer", "bot")
    assert details.threepids[0].address == f"{name}@example.org"
    assert details.external_ids[0].external_id == f"{name}+1 %"
    assert can_sign_in(homeserver, user_id, "do-re-mi")


def test_no_password_is_in_the_journal_or_the_output(
    newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    alice = newcomer()

    printed = synadmin(
        "user", "password", alice.user_id, "--yes", "-vv", "-o", "ndjson", stdin="tell-nobody\n"
    )
    token = synadmin("user", "login", alice.user_id, "--yes", "-vv").stdout.strip()
    journal = journal_of(tmp_path)

    assert records(printed)[0]["outcome"] == "done"
    assert "tell-nobody" not in printed.stdout + printed.stderr + journal
    assert '"new_password":"(removed)"' in journal
    assert token
    assert token not in journal


def test_user_modify_does_not_create_an_account(homeserver: Homeserver, synadmin: Synadmin) -> None:
    runs = [
        synadmin("user", "lock", UNKNOWN_USER, "--yes"),
        synadmin("user", "reactivate", UNKNOWN_USER, "--yes"),
        synadmin("user", "modify", UNKNOWN_USER, "--displayname", "Nobody"),
    ]

    assert [run.code for run in runs] == [4, 4, 4]
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.users.get(homeserver.user_id(UNKNOWN_USER))


def test_addresses_and_external_ids_are_added_and_removed(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    name = localpart(alice)
    old, new = f"{name}@old.example", f"{name}@new.example"
    add = ["user", "modify", name, "--add-threepid", "email", old, "--add-external-id", "oidc-club", name]

    added = synadmin(*add)
    moved = synadmin(
        *("user", "modify", name, "--add-threepid", "email", new, "--remove-threepid", "email", old),
        *("--remove-external-id", "oidc-club", name, "--displayname", "", "--user-type", "support"),
    )
    details = homeserver.admin.synapse.users.get(alice.user_id)
    taken = synadmin("user", "modify", localpart(bob), "--add-threepid", "email", new)
    again = synadmin("user", "modify", name, "--user-type", "support", "-o", "ndjson")

    assert added.code == moved.code == 0, moved
    assert f"has email {old}; has oidc-club {name}" in " ".join(added.stdout.split())
    assert "no display name; account type: support; has email" in " ".join(moved.stdout.split())
    assert [one.address for one in details.threepids] == [new]
    assert details.external_ids == ()
    assert (details.displayname, details.user_type) == (None, "support")
    assert taken.code == 5
    assert f"{new} belongs to {alice.user_id}" in taken.stderr
    assert homeserver.admin.synapse.users.get(bob.user_id).threepids == ()
    assert records(again)[0]["message"] == "nothing to change"


def test_account_is_deactivated_erased_and_reactivated(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.make_room("Club", members=[alice])
    users = homeserver.admin.synapse.users

    result = users.deactivate(bob.user_id)
    unconfirmed = synadmin("user", "deactivate", alice.user_id)
    dry_run = records(synadmin("user", "deactivate", alice.user_id, "--erase", "--dry-run", "-o", "ndjson"))
    still_active = not users.get(alice.user_id).deactivated
    done = synadmin("user", "deactivate", alice.user_id, "--erase", "--yes", "-o", "ndjson")
    deactivated_user = users.get(alice.user_id)
    reactivated = synadmin("user", "reactivate", alice.user_id, "--yes")
    after = users.get(alice.user_id)
    active_already = synadmin("user", "reactivate", alice.user_id, "--yes")

    assert result.id_server_unbind_result == "success"
    assert unconfirmed.code == 2, "without a terminal, a command that needs a confirmation is refused"
    assert dry_run[0]["path"] == f"/_synapse/admin/v1/deactivate/{encoded(alice.user_id)}"
    assert dry_run[0]["body"] == {"erase": True}
    assert still_active
    assert records(done)[0]["outcome"] == "done"
    assert deactivated_user.deactivated
    assert deactivated_user.erased
    assert not is_signed_in(alice)
    assert reactivated.code == 0
    assert not after.deactivated
    assert active_already.code == 5


def test_own_account_is_not_deactivated_or_locked(homeserver: Homeserver, synadmin: Synadmin) -> None:
    second = homeserver.register("second-admin", admin=True)

    for verb in ("deactivate", "lock"):
        refused = synadmin("user", verb, second.user_id, "--yes", acting=second)
        assert refused.code == 5, refused
        assert f"--confirm {second.user_id}" in refused.stderr
    assert is_signed_in(second)
    confirmed = synadmin(
        "user", "deactivate", second.user_id, "--yes", "--confirm", second.user_id, acting=second
    )

    assert confirmed.code == 0, confirmed
    assert homeserver.admin.synapse.users.get(second.user_id).deactivated


def test_accounts_from_a_list_are_locked_with_an_outcome_for_each(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    listed = f"{alice.user_id}\n{UNKNOWN_USER}\n{localpart(bob)}\n{alice.user_id}\n"

    locked = synadmin("user", "lock", "--from", "-", "--yes", "-o", "ndjson", stdin=listed)
    with pytest.raises(NotAuthenticatedError, match="M_USER_LOCKED"):
        bob.synapse.client_server.whoami()
    unlocked = synadmin("user", "unlock", "--from", "-", stdin=f"{alice.user_id}\n{localpart(bob)}")

    outcomes = [json.loads(line) for line in locked.stdout.splitlines()]
    assert locked.code == 6
    assert [(one["user_id"], one["outcome"], one["errcode"]) for one in outcomes] == [
        (alice.user_id, "done", None),
        (homeserver.user_id(UNKNOWN_USER), "failed", "M_NOT_FOUND"),
        (bob.user_id, "done", None),
    ]
    assert locked.stderr == "2 of 3 succeeded, 1 failed.\n"
    assert outcomes[0]["message"] == "locked"
    assert (unlocked.code, unlocked.stdout.count(" not locked")) == (0, 2)
    assert is_signed_in(bob)


def test_suspended_user_can_only_read(newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room(public=True)

    suspended = synadmin("user", "suspend", bob.user_id, "--yes")
    with pytest.raises(NotPermittedError):
        bob.join(room_id)
    unsuspended = synadmin("user", "unsuspend", bob.user_id)
    bob.join(room_id)

    assert suspended.code == unsuspended.code == 0
    assert synadmin("user", "suspend", UNKNOWN_USER, "--yes").code == 4


def test_suspend_names_the_account(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer()
    users = homeserver.admin.synapse.users

    assert users.suspend(alice.user_id, suspend=True) == {f"user_{alice.user_id}_suspended": True}
    assert users.get(alice.user_id).suspended


def test_new_password_ends_sessions_unless_they_are_kept(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")

    homeserver.admin.synapse.users.reset_password(alice.user_id, "one", logout_devices=False)
    kept = is_signed_in(alice)
    unconfirmed = synadmin("user", "password", alice.user_id, stdin="two")
    changed = synadmin("user", "password", alice.user_id, "--yes", stdin="two")
    keeping = synadmin("user", "password", localpart(bob), "--keep-devices", stdin="three\n")

    assert kept
    assert unconfirmed.code == 2
    assert "1 session" not in unconfirmed.stdout
    assert changed.code == keeping.code == 0
    assert "has a new password and no session" in changed.stdout
    assert "has a new password and 1 session" in keeping.stdout
    assert not is_signed_in(alice)
    assert is_signed_in(bob)
    assert can_sign_in(homeserver, alice.user_id, "two")
    assert can_sign_in(homeserver, bob.user_id, "three")
    assert synadmin("user", "password", UNKNOWN_USER, "--keep-devices", stdin="x").code == 4


def test_admin_rights_are_granted_revoked_and_shown(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    users = homeserver.admin.synapse.users

    users.set_admin(alice.user_id, admin=True)
    granted = users.admin(alice.user_id).admin
    shown = json.loads(synadmin("user", "admin", "show", alice.user_id, "-o", "json").stdout)
    revoked = synadmin("user", "admin", "revoke", alice.user_id, "--yes")
    left = users.admin(alice.user_id).admin
    again = synadmin("user", "admin", "grant", alice.user_id, UNKNOWN_USER, "--yes", "-o", "ndjson")
    own_rights = synadmin("user", "admin", "revoke", homeserver.admin.user_id, "--yes")

    assert granted
    assert shown == {"user_id": alice.user_id, "admin": True}
    assert revoked.code == 0
    assert not left
    assert again.code == 6
    assert users.admin(alice.user_id).admin
    assert own_rights.code == 5
    assert "you cannot revoke your own rights" in own_rights.stderr
    assert users.admin(homeserver.admin.user_id).admin


def test_impersonation_token_expires_and_makes_no_device(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    admin = homeserver.admin.synapse
    until = int(time.time() * 1000) + HOUR

    login_token = admin.users.login(alice.user_id, valid_until_ms=until)
    plain = synadmin("user", "login", alice.user_id, "--yes")
    record = json.loads(
        synadmin("user", "login", localpart(alice), "--until", "10m", "--yes", "-o", "json").stdout
    )
    refused = synadmin("user", "login", alice.user_id)
    dry_run = synadmin("user", "login", alice.user_id, "--dry-run", "-o", "json")

    assert login_token.access_token not in repr(login_token)
    assert plain.stderr == ""
    for token in (login_token.access_token, plain.stdout.strip(), record["access_token"]):
        with admin.as_user(alice.user_id, token) as acting:
            assert acting.client_server.whoami().user_id == alice.user_id
    assert abs(record["valid_until_ms"] - (until - HOUR + 600_000)) < 120_000
    assert (refused.code, refused.stdout) == (2, "")
    assert json.loads(dry_run.stdout)[0]["outcome"] == "planned"
    assert admin.devices.list(alice.user_id).total == 1


def test_account_validity_can_be_set(homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice = newcomer()
    until = 1_893_456_000_000  # 2030-01-01

    renewed = homeserver.admin.synapse.users.renew_validity(
        alice.user_id, expiration_ts=until, enable_renewal_emails=False
    )
    printed = records(synadmin("user", "validity", localpart(alice), "--until", "2030-01-01", "-o", "ndjson"))
    table = synadmin("user", "validity", localpart(alice), "--until", "2030-01-01")

    assert renewed.expiration_ts == until
    assert printed[0]["expiration_ts"] == until
    assert "2030-01-01T00:00:00Z" in table.stdout
    assert synadmin("user", "validity", UNKNOWN_USER, "--until", "2030-01-01").code == 4


def test_cross_signing_keys_may_be_replaced_for_ten_minutes(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, without = newcomer("alice"), newcomer("without")
    key = "A" * 43
    master = {"user_id": alice.user_id, "usage": ["master"], "keys": {f"ed25519:{key}": key}}
    alice.call("POST", "/_matrix/client/v3/keys/device_signing/upload", {"master_key": master})

    allowed = homeserver.admin.synapse.users.allow_cross_signing_reset(alice.user_id)
    printed = records(synadmin("user", "cross-signing-reset", alice.user_id, "-o", "ndjson"))

    assert 0 < allowed.updatable_without_uia_before_ms - time.time() * 1000 <= 600_000
    assert printed[0]["updatable_without_uia_before_ms"] >= allowed.updatable_without_uia_before_ms
    assert synadmin("user", "cross-signing-reset", without.user_id).code == 4


def test_rate_limit_override_is_shown_set_and_cleared(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    users = homeserver.admin.synapse.users
    limit = ["user", "rate-limit"]

    users.set_ratelimit(alice.user_id, messages_per_second=3, burst_count=7)
    mine = users.ratelimit(alice.user_id)
    users.delete_ratelimit(alice.user_id)
    none = json.loads(synadmin(*limit, "show", alice.user_id, "-o", "json").stdout)
    set_to = synadmin(*limit, "set", alice.user_id, "--messages-per-second", "2", "--burst-count", "5")
    found = users.ratelimit(alice.user_id)
    lifted = records(synadmin(*limit, "set", alice.user_id, "--unlimited", "-o", "ndjson"))
    cleared = synadmin(*limit, "clear", alice.user_id)

    assert (mine.messages_per_second, mine.burst_count) == (3, 7)
    assert none == {"user_id": alice.user_id, "messages_per_second": None, "burst_count": None}
    assert set_to.code == cleared.code == 0
    assert (found.messages_per_second, found.burst_count) == (2, 5)
    assert (lifted[0]["messages_per_second"], lifted[0]["burst_count"]) == (0, 0)
    assert users.ratelimit(alice.user_id).burst_count is None


def test_memberships_include_rooms_that_were_left(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    kept = alice.make_room("Kept", members=[bob])
    left = alice.make_room("Left", left=[bob])

    found = homeserver.admin.synapse.users.memberships(bob.user_id).memberships
    listed = records(synadmin("user", "memberships", bob.user_id, "-o", "ndjson"))
    only = records(synadmin("user", "memberships", bob.user_id, "--membership", "leave", "-o", "ndjson"))

    assert found == {kept: "join", left: "leave"}
    assert sorted(listed, key=lambda one: one["membership"]) == [
        {"room_id": kept, "membership": "join"},
        {"room_id": left, "membership": "leave"},
    ]
    assert only == [{"room_id": left, "membership": "leave"}]

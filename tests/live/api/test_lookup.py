"""Accounts by address, external id or name, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError, NotFoundError

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def test_account_is_found_by_any_address_or_external_id(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer()
    name = alice.user_id[1:].partition(":")[0]
    email, external = f"{name}+club/50%25@example.org", f"auth0|{name}/a b?c#d=e+f%2F"
    number = f"44{abs(hash(name)) % 10**9:09d}"
    admin = homeserver.admin.synapse
    admin.users.modify(
        alice.user_id,
        threepids=[{"medium": "email", "address": email}, {"medium": "msisdn", "address": number}],
        external_ids=[{"auth_provider": "oidc-a/b", "external_id": external}],
    )

    searches = {
        ("--email", email.upper()),
        ("--phone", f"+{number[:2]} ({number[2:5]}) {number[5:]}"),
        ("--threepid", "email", email),
        ("--external-id", "oidc-a/b", external),
    }
    answers = [synadmin("user", "find", *flags, "-o", "json") for flags in searches]

    assert admin.lookup.by_threepid("email", email).user_id == alice.user_id
    assert admin.lookup.by_external_id("oidc-a/b", external).user_id == alice.user_id
    assert [json.loads(answer.stdout) for answer in answers] == [{"user_id": alice.user_id}] * len(searches)


def test_address_without_an_account_is_not_found(homeserver: Homeserver, synadmin: Synadmin) -> None:
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.lookup.by_threepid("email", "nobody@example.org")

    assert synadmin("user", "find", "--external-id", "oidc", "nobody").code == 4


def test_search_finds_deactivated_accounts_and_shows_no_password_hash(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, deactivated = newcomer("seeker-of-things"), newcomer("seeker-of-things")
    admin = homeserver.admin.synapse
    admin.users.deactivate(deactivated.user_id)

    found = {user.name: user for user in admin.lookup.search("seeker-of-", user_id=admin.owner)}
    printed = synadmin("user", "search", "seeker-of-", "-o", "json")
    hashes = synadmin("user", "search", alice.user_id, "--password-hashes", "-o", "json")

    secret = found[alice.user_id].password_hash
    assert found.keys() == {alice.user_id, deactivated.user_id}
    assert secret is not None
    assert secret not in repr(found)
    shown = {user["name"]: user for user in json.loads(printed.stdout)}
    assert shown[alice.user_id].keys() == found[alice.user_id].as_sent().keys()
    assert shown[alice.user_id]["password_hash"] == "(withheld)"
    assert shown[deactivated.user_id]["password_hash"] is None
    assert json.loads(hashes.stdout)[0]["password_hash"] == secret
    assert synadmin("user", "search", "seeker-of-nothing").stdout == ""


def test_exit_code_says_whether_a_username_is_available(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    taken = newcomer().user_id[1:].partition(":")[0]
    lookup = homeserver.admin.synapse.lookup

    free = synadmin("user", "available", f"{taken}.second")
    used = synadmin("user", "available", taken, "-o", "json")
    invalid = synadmin("user", "available", "a b", "-o", "json")

    assert lookup.username_available(f"{taken}.second").available
    with pytest.raises(MatrixError, match="M_USER_IN_USE"):
        lookup.username_available(taken)
    assert (free.code, used.code, invalid.code) == (0, 5, 5)
    assert json.loads(used.stdout)["errcode"] == "M_USER_IN_USE"
    assert json.loads(invalid.stdout)["errcode"] == "M_INVALID_USERNAME"

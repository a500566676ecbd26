from __future__ import annotations

import gc
from concurrent.futures import Future
from typing import TYPE_CHECKING

from synadmin.api.users import User
from synadmin.audit.gather.account_index import FEW, AccountEntry, AccountIndex, read_accounts
from synadmin.client import Synapse
from synadmin.http.paging import Page
from synadmin.ids import UserId
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.stub import Request, Stub


def _user(number: int, **fields: object) -> User:
    return User(name=UserId(f"@u{number}:example.org"), **fields)  # type: ignore[arg-type]


def test_account_is_found_with_all_fields_of_the_list() -> None:
    accounts = AccountIndex(
        _user(number, creation_ts=number, last_seen_ts=number * 10) for number in range(1000)
    )
    assert len(accounts) == 1000
    for number in range(1000):
        listed = accounts.get(UserId(f"@u{number}:example.org"))
        assert listed is not None
        assert (listed.created, listed.seen) == (number, number * 10)


def test_account_that_is_not_listed_is_not_found() -> None:
    assert AccountIndex([]).get(UserId("@u1:example.org")) is None
    assert AccountIndex([_user(1)]).get(UserId("@u2:example.org")) is None


def test_never_seen_differs_from_seen_in_1970() -> None:
    accounts = AccountIndex([_user(1), _user(2, creation_ts=0, last_seen_ts=0)])
    assert accounts.get(UserId("@u1:example.org")) == AccountEntry(
        deactivated=False,
        locked=False,
        admin=False,
        guest=False,
        shadow_banned=False,
        created=None,
        seen=None,
    )
    second = accounts.get(UserId("@u2:example.org"))
    assert second is not None
    assert (second.created, second.seen) == (0, 0)


def test_flags_are_independent() -> None:
    for name in ("deactivated", "locked", "admin", "is_guest", "shadow_banned"):
        listed = AccountIndex([_user(1, **{name: True})]).get(UserId("@u1:example.org"))
        assert listed is not None
        flags = {
            "deactivated": listed.deactivated,
            "locked": listed.locked,
            "admin": listed.admin,
            "is_guest": listed.guest,
            "shadow_banned": listed.shadow_banned,
        }
        assert [flag for flag, is_set in flags.items() if is_set] == [name]


def test_time_beyond_64_bits_is_accepted() -> None:
    accounts = AccountIndex([_user(1, creation_ts=10**30, last_seen_ts=-(10**30))])
    account = accounts.get(UserId("@u1:example.org"))
    assert account is not None
    assert (account.created, account.seen) == (2**63 - 1, None)


def test_small_index_keeps_the_user_ids() -> None:
    few = AccountIndex(_user(number) for number in range(FEW))
    assert few.users is not None
    assert len(few.users) == FEW
    assert AccountIndex(_user(number) for number in range(FEW + 1)).users is None


def test_page_is_freed_while_the_next_is_read(stub: Stub) -> None:
    """A page can have megabytes, and a large server has many pages."""
    path = "/_synapse/admin/v3/users"
    pages = [
        json_reply(
            {"users": [{"name": f"@u{number}:example.org"}], "total": 3, "next_token": str(number + 1)}
        )
        for number in range(2)
    ]
    stub.on(path, *pages, json_reply({"users": [{"name": "@u2:example.org"}], "total": 3}))
    live_objects: list[int] = []

    def count(_: Request) -> None:
        live_objects.append(sum(isinstance(value, Page | User) for value in gc.get_objects()))

    stub.on_request = count
    with Synapse(stub.url, token="syt_token") as synapse:
        gc.disable()
        try:
            assert len(read_accounts(synapse, Future())) == 3
        finally:
            gc.enable()
    assert live_objects == [0, 0, 0]

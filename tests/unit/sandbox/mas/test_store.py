from __future__ import annotations

import pytest

from synadmin.sandbox.mas.store import (
    API,
    COMPAT,
    PERSONAL,
    UNSTABLE_API,
    MasStore,
    devices_in,
    is_scope,
    with_twins,
)


def test_scope_has_stable_and_unstable_names() -> None:
    stable = f"{API} urn:matrix:client:device:D urn:synapse:admin:*"
    assert set(with_twins(stable).split()) == {
        *stable.split(),
        UNSTABLE_API,
        "urn:matrix:org.matrix.msc2967.client:device:D",
    }
    assert with_twins("openid") == "openid"
    assert devices_in(with_twins(stable)) == ["D"]


@pytest.mark.parametrize(("text", "is_valid"), [("a b", True), ("", False), ('a"', False), ("ü", False)])
def test_valid_and_invalid_scopes(text: str, *, is_valid: bool) -> None:
    assert is_scope(text) is is_valid


def test_deactivated_user_loses_all_sessions() -> None:
    store = MasStore()
    rose, iris = store.add_user("rose"), store.add_user("iris")
    own = store.add_session(COMPAT, {"user_id": rose["_id"], "device_id": None})
    owned = {"actor_user_id": iris["_id"], "owner_user_id": rose["_id"], "scope": API}
    acting = {"actor_user_id": rose["_id"], "owner_user_id": iris["_id"], "scope": API}
    tokens = [
        store.add_token(own, "mct", None),
        store.add_token(store.add_session(PERSONAL, owned), "mpt", 60),
        store.add_token(store.add_session(PERSONAL, acting), "mpt", 60),
    ]
    assert [store.is_live(token) for token in tokens] == [True] * 3
    store.end_all(rose["_id"])
    assert [store.is_live(token) for token in tokens] == [False] * 3
    assert store.is_live(store.add_token(store.add_session(PERSONAL, acting), "mpt", 0)) is False

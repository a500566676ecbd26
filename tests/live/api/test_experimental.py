"""Experimental features of users, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

NOUN = "experimental-feature"


def test_features_are_enabled_and_disabled_for_one_user(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    experimental = homeserver.admin.synapse.experimental

    experimental.set(alice.user_id, {"msc3881": True})
    on = experimental.get(alice.user_id).features["msc3881"]
    switched = synadmin(NOUN, "set", alice.user_id, "--off", "msc3881", "--on", "msc4222", "-o", "ndjson")
    shown = json.loads(synadmin(NOUN, "show", alice.user_id, "-o", "json").stdout)

    assert on
    assert json.loads(switched.stdout)["features"]["msc4222"] is True
    assert {"feature": "msc3881", "enabled": False} in shown
    assert {"feature": "msc4222", "enabled": True} in shown
    assert not any(experimental.get(bob.user_id).features.values())


def test_unknown_feature_is_refused(homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice = newcomer()
    with pytest.raises(MatrixError, match="not recognised"):
        homeserver.admin.synapse.experimental.set(alice.user_id, {"msc1": True})

    unknown = synadmin(NOUN, "set", alice.user_id, "--on", "msc388")
    assert unknown.code == 2
    assert "it has msc3881, " in unknown.stderr
    assert synadmin(NOUN, "set", "no-such-person", "--on", "msc4222").code == 4

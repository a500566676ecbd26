"""How a lost room can be regained."""

from __future__ import annotations

import shlex
from dataclasses import replace

from synadmin.audit.regain import way_to_regain
from synadmin.power.room import Reach
from synadmin.text import command
from tests.unit.audit.rules.case import chess
from tests.unit.power.rooms import ADMIN, ALICE, BOB, MALLORY, levels


def test_command_is_quoted_for_the_shell() -> None:
    words = ("room", "show", "!a b'c;d\n\"$(e)`f`")
    assert shlex.split(command(*words)) == ["synadmin", *words]


def test_make_room_admin_needs_the_least_reach() -> None:
    way = way_to_regain(chess({ALICE: "join", BOB: "join"}))
    assert (way.reach, way.reason) == (Reach.API, None)
    assert way.command == "synadmin room make-admin '!chess:example.org'"


def test_any_server_admin_is_the_target_without_a_name() -> None:
    way = way_to_regain(replace(chess({BOB: "join"}), caller=None))
    assert way.reach is Reach.IMPERSONATE


def test_unusable_owner_of_the_token_does_not_mean_replace() -> None:
    suspended = chess({ALICE: "join"}, accounts={ADMIN: "suspended"})
    way = way_to_regain(suspended)
    assert (way.reach, way.reason, way.command) == (None, "target-suspended", None)


def test_lost_room_is_replaced() -> None:
    way = way_to_regain(chess({BOB: "join", MALLORY: "join"}, power_levels=levels({MALLORY: 100})))
    assert way.reach is None
    assert way.command is not None
    assert way.command.endswith("--admin @admin:example.org --dry-run")

"""The reach of a plan, and the sentence of a refusal in a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from synadmin.control.file import parse
from synadmin.control.plan import plan_setting, reach_for, sentence_of
from synadmin.control.records import NotPossible, must_join
from synadmin.errors import NotFoundError, RefusedError, SynadminError
from synadmin.power.room import Reach
from tests.unit.power.rooms import ALICE, room

if TYPE_CHECKING:
    from synadmin.recovery.observer import Observer


@pytest.mark.parametrize(
    ("written", "given", "reach"),
    [
        (None, None, Reach.API),
        (None, Reach.IMPERSONATE, Reach.IMPERSONATE),
        ("impersonate", None, Reach.IMPERSONATE),
        ("reactivate", Reach.IMPERSONATE, Reach.IMPERSONATE),
        ("impersonate", Reach.REACTIVATE, Reach.IMPERSONATE),
    ],
)
def test_option_limits_the_reach_of_an_entry(written: str | None, given: Reach | None, reach: Reach) -> None:
    allow = f'allow = "{written}"' if written else ""
    (entry,) = parse(f"version = 1\n[[rooms]]\nmatch = {{ ours = true }}\n{allow}\n")
    assert reach_for(entry, given) is reach


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RefusedError("refused: no local user has enough power"), "No local user has enough power."),
        (NotFoundError(status=404, errcode="M_NOT_FOUND", reason="no such room"), "No such room."),
    ],
)
def test_refusal_is_reported_in_a_sentence(error: SynadminError, sentence: str) -> None:
    assert sentence_of(error) == sentence


def test_join_rule_that_the_room_version_lacks_is_refused() -> None:
    view = room({ALICE: "join"}, version="6")
    with pytest.raises(NotPossible, match="The join rule knock is not part of room version 6") as refused:
        plan_setting(cast("Observer", None), view, "join_rule", {"join_rule": "knock"})
    assert refused.value.reason == "unsupported-join-rule"


def test_sentence_for_one_or_two_users_who_must_join() -> None:
    assert must_join(["@a:x"], lowers=False) == (
        "The level is granted. @a:x must join the room to have control."
    )
    assert must_join(["@a:x", "@b:x"], lowers=True) == (
        "The level is granted. @a:x, @b:x must join the room to have control. "
        "Other admins keep their level until then."
    )

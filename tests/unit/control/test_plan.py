"""How far a plan may go, and how an answer of no reads in a report."""

from __future__ import annotations

import pytest

from synadmin.control.file import parse
from synadmin.control.plan import reach_for, sentence_of
from synadmin.control.records import must_join
from synadmin.errors import NotFoundError, RefusedError, SynadminError
from synadmin.power.room import Reach


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
def test_option_bounds_what_an_entry_allows(written: str | None, given: Reach | None, reach: Reach) -> None:
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
def test_answer_no_is_reported_in_a_sentence(error: SynadminError, sentence: str) -> None:
    assert sentence_of(error) == sentence


def test_sentence_for_one_or_two_users_who_must_join() -> None:
    assert must_join(["@a:x"], lowers=False) == (
        "The level is granted. @a:x must join the room to have control."
    )
    assert must_join(["@a:x", "@b:x"], lowers=True) == (
        "The level is granted. @a:x, @b:x must join the room to have control. "
        "Other admins keep their level until then."
    )

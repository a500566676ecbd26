"""What is said on stderr while something is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synadmin.cli.invocation import Invocation

if TYPE_CHECKING:
    import pytest


def test_what_is_said_meanwhile_takes_the_place_of_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation()
    invocation.draw("3 of 9 finished")
    invocation.say("The server asks to wait.")
    invocation.say("It goes on.")
    wiped = "\r"  # and on a terminal, for which click leaves it, an escape sequence that clears the line
    assert capsys.readouterr().err == (
        f"{wiped}3 of 9 finished{wiped}The server asks to wait.\nIt goes on.\n"
    )


def test_where_no_progress_is_shown_nothing_is_wiped(capsys: pytest.CaptureFixture[str]) -> None:
    Invocation().draw("")
    assert capsys.readouterr().err == ""


def test_text_of_a_server_does_not_reach_the_terminal_raw_in_the_progress_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Invocation().draw("deleting \x1b]0;title\x07")
    assert "\x1b]" not in capsys.readouterr().err

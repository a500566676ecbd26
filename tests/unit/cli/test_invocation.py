"""Progress and messages on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synadmin.cli.invocation import Invocation

if TYPE_CHECKING:
    import pytest


def test_message_replaces_the_progress_line(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation()
    invocation.draw("3 of 9 finished")
    invocation.say("The server asks to wait.")
    invocation.say("It goes on.")
    erased = "\r"  # on a terminal, click also keeps the escape sequence that clears the line
    assert capsys.readouterr().err == (
        f"{erased}3 of 9 finished{erased}The server asks to wait.\nIt goes on.\n"
    )


def test_nothing_is_erased_without_a_progress_line(capsys: pytest.CaptureFixture[str]) -> None:
    Invocation().draw("")
    assert capsys.readouterr().err == ""


def test_server_text_in_the_progress_line_is_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Invocation().draw("deleting \x1b]0;title\x07")
    assert "\x1b]" not in capsys.readouterr().err

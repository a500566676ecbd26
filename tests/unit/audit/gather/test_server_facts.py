"""What the audit tells of the server itself."""

from __future__ import annotations

import pytest

from synadmin.audit.gather.server_facts import labels_of

ALIKE = ["club-2025-autumn", "club-2026-spring", "club-2026-autumn"]


@pytest.mark.parametrize("token", ["", "a", "abc", "abcd", "abcdefgh", "open-sesame", "x" * 64])
def test_a_label_never_has_more_than_a_quarter_of_the_token(token: str) -> None:
    (label,) = labels_of([token]).values()
    shown, _, digest = label.partition("…")
    assert token.startswith(shown)
    assert len(shown) == len(digest) <= min(4, len(token) // 4)


def test_tokens_that_begin_alike_have_labels_that_differ_and_stay() -> None:
    labels = labels_of(ALIKE)
    assert len(set(labels.values())) == len(ALIKE)
    assert labels == labels_of(reversed(ALIKE))
    assert labels_of(ALIKE[:1]).items() <= labels.items()


def test_tokens_too_short_to_be_told_apart_by_their_text_are_numbered() -> None:
    assert labels_of(["b", "ab", "a"]) == {"a": "…", "ab": "… (2)", "b": "… (3)"}

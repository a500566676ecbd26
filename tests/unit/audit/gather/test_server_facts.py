"""Facts about the server: labels of registration tokens."""

from __future__ import annotations

import pytest

from synadmin.audit.gather.server_facts import labels_of

SIMILAR = ["club-2025-autumn", "club-2026-spring", "club-2026-autumn"]


@pytest.mark.parametrize("token", ["", "a", "abc", "abcd", "abcdefgh", "open-sesame", "x" * 64])
def test_label_has_at_most_a_quarter_of_the_token(token: str) -> None:
    (label,) = labels_of([token]).values()
    shown, _, digest = label.partition("…")
    assert token.startswith(shown)
    assert len(shown) == len(digest) <= min(4, len(token) // 4)


def test_tokens_with_equal_starts_have_stable_distinct_labels() -> None:
    labels = labels_of(SIMILAR)
    assert len(set(labels.values())) == len(SIMILAR)
    assert labels == labels_of(reversed(SIMILAR))
    assert labels_of(SIMILAR[:1]).items() <= labels.items()


def test_short_tokens_are_numbered() -> None:
    assert labels_of(["b", "ab", "a"]) == {"a": "…", "ab": "… (2)", "b": "… (3)"}

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from synadmin.delegation.certificate import Certificate, expires_soon, problems

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def certificate(*names: str, starts: int = -10, ends: int = 80) -> Certificate:
    return Certificate(names, _NOW + timedelta(days=starts), _NOW + timedelta(days=ends), "Some Authority")


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("example.org", "example.org", True),
        ("Example.ORG", "example.org", True),
        ("example.org", "example.org.", True),
        ("example.org", "matrix.example.org", False),
        ("*.example.org", "matrix.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.matrix.example.org", False),
        ("*.org", "example.org", False),
        ("m*.example.org", "matrix.example.org", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:0::1", "2001:db8::1", True),
        ("*.0.2.1", "192.0.2.1", False),
    ],
)
def test_certificate_names_match_as_in_synapse(pattern: str, name: str, covered: bool) -> None:
    assert certificate(pattern).covers(name) is covered


def test_all_certificate_problems_are_reported() -> None:
    found = problems(certificate("a.example", "b.example", ends=-1), "example.org", None, _NOW)

    assert found == (
        "the certificate expired on 2026-02-28",
        "the certificate is not for example.org, but for a.example, b.example",
    )


def test_long_lists_of_names_are_shortened() -> None:
    names = [f"{number}.example" for number in range(100)]

    [found] = problems(certificate(*names), "example.org", None, _NOW)

    assert found.endswith("4.example and 95 more")


def test_future_certificate_and_one_without_names_are_reported() -> None:
    assert problems(certificate(starts=1), "example.org", None, _NOW) == (
        "the certificate is not valid before 2026-03-02 00:00 UTC",
        "the certificate is not for example.org, but for no name at all",
    )
    assert problems(None, "example.org", None, _NOW) == ("the certificate cannot be read",)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (18, "the certificate is self-signed"),
        (19, "an authority that is not trusted (Some Authority)"),
        (20, "serve the whole chain"),
        (21, "serve the whole chain"),
        (10, "a certificate of the chain has expired"),
        (24, "the certificate's chain is not valid: invalid CA"),
    ],
)
def test_each_chain_error_has_a_sentence(code: int, sentence: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "invalid CA"

    [found] = problems(certificate("example.org"), "example.org", error, _NOW)

    assert sentence in found


def test_certificate_with_less_than_14_days_expires_soon() -> None:
    assert expires_soon(certificate(ends=13), _NOW)
    assert not expires_soon(certificate(ends=14), _NOW)

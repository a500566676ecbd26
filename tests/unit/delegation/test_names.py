from __future__ import annotations

import pytest

from synadmin.delegation.names import Address, parse_address, parse_name, parse_overrides
from synadmin.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "literal"),
    [
        # The examples of the specification, Appendices, "Server Name".
        ("matrix.org", "matrix.org", None, False),
        ("matrix.org:8888", "matrix.org", 8888, False),
        ("1.2.3.4", "1.2.3.4", None, True),
        ("1.2.3.4:1234", "1.2.3.4", 1234, True),
        ("[1234:5678::abcd]", "1234:5678::abcd", None, True),
        ("[1234:5678::abcd]:5678", "1234:5678::abcd", 5678, True),
        ("localhost", "localhost", None, False),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None, False),
        ("256.1.1.1", "256.1.1.1", None, False),
        ("example.org.", "example.org.", None, False),
    ],
)
def test_server_name_is_parsed(text: str, host: str, port: int | None, literal: bool) -> None:
    name = parse_name(text)

    assert (name.text, name.host, name.port, name.literal) == (text, host, port, literal)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is empty"),
        ("https://example.org", "it is a URL; write example.org"),
        ("https://example.org/x", "it is a URL; write example.org"),
        ("https://", "it is a URL"),
        ("@alice:example.org", "it is a user id; write example.org"),
        ("#club:example.org", "it is a room alias; write example.org"),
        ("!abc:example.org", "it is a room id; write example.org"),
        ("bücher.example", "it has characters that are not ASCII; write xn--bcher-kva.example"),
        ("\u202eexample.org", "it has characters that are not ASCII"),
        ("example .org", "it has a space in it"),
        ("example.org\n", "it has a space in it"),
        ("example.org/", "it has a slash in it; write the host alone"),
        ("example.org:0", "port 0 is not between 1 and 65535"),
        ("example.org:65536", "port 65536 is not between 1 and 65535"),
        ("example.org:99999999999999999999", "port 999999999999 is not between 1 and 65535"),
        ("example.org:", "a server name looks like example.org or example.org:8448"),
        ("example.org:http", "a server name looks like example.org or example.org:8448"),
        ("example_x.org", "a server name looks like example.org or example.org:8448"),
        ("example..org", "there is nothing between two dots"),
        (".example.org", "there is nothing between two dots"),
        (f"{'a' * 64}.org", "aaaaaaaaaaaa… is longer than 63 characters, which DNS does not know"),
        (f"{'a.' * 200}org", "it is longer than 230 characters"),
        ("::1", "an IPv6 address stands in brackets: [::1]"),
        ("a:b:c", "there are two colons"),
        ("[example.org]", "'example.org' is not an IPv6 address"),
        ("[fe80::1%eth0]", "'fe80::1%eth0' is not an IPv6 address"),
    ],
)
def test_invalid_server_name_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_name(text)

    assert str(raised.value) == f"{text!a} is not a server name: {sentence}"


def test_resolve_overrides_are_read_as_in_curl() -> None:
    overrides = parse_overrides(
        [
            "Example.org:443:192.0.2.1",
            "example.org:443:[2001:db8::1]:8443",
            "example.org:8448:2001:db8::1",
            "[2001:db8::2]:8448:127.0.0.1:9000",
        ]
    )

    assert overrides == {
        ("example.org", 443): (Address("192.0.2.1", 443), Address("2001:db8::1", 8443)),
        ("example.org", 8448): (Address("2001:db8::1", 8448),),
        ("2001:db8::2", 8448): (Address("127.0.0.1", 9000),),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "example.org:443",
        "example.org:443:",
        "example.org:x:1.2.3.4",
        "a:70000:1.2.3.4",
        "a:443:b.example",
        "a:443:1.2.3.4:0",
        "a:443:1.2.3.4:70000",
        "a b:443:1.2.3.4",
        "a:443:1.2.3.4.5",
    ],
)
def test_invalid_resolve_override_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_overrides([text])


def test_nameserver_has_default_port_53() -> None:
    assert parse_address("192.0.2.53") == Address("192.0.2.53", 53)
    assert parse_address("[2001:db8::53]:5353") == Address("2001:db8::53", 5353)
    assert parse_address("2001:db8::53") == Address("2001:db8::53", 53)
    with pytest.raises(UsageError, match=r"'dns\.example' is not an IP address"):
        parse_address("dns.example", port=53)

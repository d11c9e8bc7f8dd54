from __future__ import annotations

import pytest

from dynasor.engines.address import EXPECTED, parse_address
from dynasor.errors import InputError


@pytest.mark.parametrize(
    ("written", "api", "server"),
    [
        ("http://h:8000", "http://h:8000/v1", "http://h:8000"),
        ("http://h:8000/", "http://h:8000/v1", "http://h:8000"),
        ("http://h:8000/v1", "http://h:8000/v1", "http://h:8000"),
        ("http://h:8000/v1/", "http://h:8000/v1", "http://h:8000"),
        (" http://h:8000 ", "http://h:8000/v1", "http://h:8000"),
        ("localhost:8000", "http://localhost:8000/v1", "http://localhost:8000"),
        ("127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000/v1", "http://[::1]:8000"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "https://api.openai.com"),
        ("https://h/prefix", "https://h/prefix/v1", "https://h/prefix"),
        ("http://h:8000/v1/chat/completions", "http://h:8000/v1", "http://h:8000"),
        ("http://h:8000/v1/models/", "http://h:8000/v1", "http://h:8000"),
        ("https://h/models", "https://h/models/v1", "https://h/models"),
        ("https://h/v1beta/openai", "https://h/v1beta/openai", "https://h/v1beta"),
    ],
)
def test_every_way_to_write_an_address(written: str, api: str, server: str) -> None:
    address = parse_address(written)
    assert (address.api, address.server) == (api, server)


@pytest.mark.parametrize("written", ["", "h", "ftp://h:1", "http://", "http://h:99999", "http://h:x", "h:0", "a b:80"])
def test_other_text_is_no_address(written: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_address(written)
    assert str(raised.value) == f"engine address {written!r} cannot be used; {EXPECTED}"


def test_a_query_is_refused() -> None:
    with pytest.raises(InputError, match="has a query or a fragment"):
        parse_address("http://h/v1?key=1")


def test_credentials_are_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as raised:
        parse_address("http://user:secret@h/v1")
    assert str(raised.value) == "the engine address of host 'h' carries credentials; give them as api_key"


@pytest.mark.parametrize(
    ("written", "is_loopback"),
    [("localhost:1", True), ("127.3.0.1:1", True), ("http://[::1]:1", True), ("10.0.0.1:1", False), ("h:1", False)],
)
def test_loopback_is_known(written: str, is_loopback: bool) -> None:
    assert parse_address(written).is_loopback is is_loopback

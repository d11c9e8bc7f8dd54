"""Where an engine's API is: the many ways to write it, read into one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from dynasor.errors import InputError

EXPECTED = "expected http(s)://host[:port][/v1] or host:port"
HOST_AND_PORT = re.compile(r"[\w.\-\[\]:]+:\d+(/.*)?")
ENDPOINT = re.compile(r"(?<=/)v\d+\w*(?P<endpoint>/(chat/completions|completions|models))$")
"""Where clients send requests, which is what people copy; the API's root is before it."""
VERSION_SEGMENT = re.compile(r"v\d+\w*")


@dataclass(frozen=True, slots=True)
class Address:
    """``api`` is the root of the OpenAI-compatible API (ends in ``/v1`` or the like), ``server`` the root of
    the server, where engines keep ``/metrics``; neither ends in a slash."""

    api: str
    server: str
    host: str

    @property
    def is_loopback(self) -> bool:
        """Whether the engine is on this machine, so that no proxy may stand between."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return self.api


def parse_address(base_url: str) -> Address:
    """Read ``base_url``: an http(s) URL with or without its ``/v1`` or an endpoint after that, or a bare ``host:port``.

    Raises:
        InputError: for anything else, and for a URL with credentials, a query or a fragment.
    """
    parts = split(base_url)
    if parts.username or parts.password:
        raise InputError(f"the engine address of host {parts.hostname!r} carries credentials; give them as api_key")
    if parts.query or parts.fragment:
        raise InputError(f"engine address {base_url!r} has a query or a fragment; {EXPECTED}")
    path = parts.path.rstrip("/")
    if found := ENDPOINT.search(path):
        path = path[: found.start("endpoint")]
    versioned = any(VERSION_SEGMENT.fullmatch(segment) for segment in path.split("/"))
    origin = f"{parts.scheme}://{parts.netloc}"
    return Address(
        api=origin + path + ("" if versioned else "/v1"),
        server=origin + (path.rpartition("/")[0] if versioned else path),
        host=parts.hostname or "",
    )


def is_host_and_port(written: str) -> bool:
    """Whether ``written`` is an address without its scheme, such as ``localhost:8000``."""
    return "://" not in written and HOST_AND_PORT.fullmatch(written) is not None


def split(base_url: str) -> SplitResult:
    written = base_url.strip()
    if is_host_and_port(written):
        written = f"http://{written}"
    try:
        parts = urlsplit(written)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or re.search(r"[\s\\]", written):
        raise InputError(f"engine address {base_url!r} cannot be used; {EXPECTED}")
    return parts

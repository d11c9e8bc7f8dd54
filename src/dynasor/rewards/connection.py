"""JSON in, JSON out: the way to a scoring endpoint, with the retries and the words for failures that engines have."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson

from dynasor.engines.address import Address
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame, Failure
from dynasor.engines.http import attempt, open_session, transport_failure, tried
from dynasor.errors import EngineFailed, InputError
from dynasor.rewards.checking import brief
from dynasor.vocabulary import JSON


@dataclass(slots=True)
class Connection:
    """Calls to the server at ``address``; an async context manager, which holds its connections.

    Calls that are refused before they begin (no connection, 408, 429, 502, 503, 504) are tried again, up to
    ``max_attempts`` times in all.
    """

    address: Address
    api_key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 10.0
    timeout_s: float = 300.0
    """How long an answer may take, from the call to its last byte."""
    max_attempts: int = 5
    rng: random.Random = field(default_factory=random.Random)
    _session: aiohttp.ClientSession | None = None

    def __post_init__(self) -> None:
        for name in ("connect_timeout_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; a number of seconds above 0 was expected")
        if self.max_attempts < 1:
            raise InputError(f"max_attempts is {self.max_attempts}; 1 or more was expected")
        key = self.api_key
        if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
            raise InputError("the API key of the reward is empty or has characters that no HTTP header can carry")

    @property
    def blame(self) -> Blame:
        return Blame(self.address.server, self.connect_timeout_s, self.timeout_s, self.api_key)

    async def __aenter__(self) -> Self:
        limits = aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=self.connect_timeout_s)
        self._session = open_session(self.address, self.api_key, limits)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def reach(self) -> None:
        """Raises EngineError if nobody answers there, whatever the answer would be."""
        outcome = await self._try("GET", "health", None)
        if isinstance(outcome, Failure) and outcome.status is None:
            raise outcome.error

    async def post(self, path: str, body: JSON) -> Any:
        """The JSON that the server answers ``body`` with. Raises EngineError and its children."""
        outcome = await self._try("POST", path, body)
        if isinstance(outcome, Failure):
            raise outcome.error
        try:
            return orjson.loads(outcome)
        except orjson.JSONDecodeError as error:
            said = brief(outcome.decode(errors="replace"))
            raise EngineFailed(f"{self.url(path)} says {said}; JSON was expected") from error

    def url(self, path: str) -> str:
        return f"{self.address.server}/{path}"

    async def _try(self, method: str, path: str, body: JSON | None) -> bytes | Failure:
        """What the server says, or why the last of all attempts failed."""
        return await tried(lambda: self._attempt(method, path, body), self.max_attempts, self.rng)

    async def _attempt(self, method: str, path: str, body: JSON | None) -> bytes | Failure:
        """All of it: an answer that breaks off is worth another attempt, for scoring again changes nothing."""
        url = self.url(path)
        if self._session is None:
            raise InputError(f"{url} is not open; use the reward as `async with reward:`")
        outcome = await attempt(self._session, self.blame, method, url, body, called=url)
        if isinstance(outcome, Failure):
            return outcome
        try:
            async with outcome:
                return await outcome.read()
        except TRANSPORT_ERRORS as error:
            return transport_failure(self.blame, error)

"""One endpoint that pages watch: a snapshot, then what changes, at most about once a second.

Each reader compares what it has with what is, when it is ready for more. So nothing is queued for anybody: a slow
reader gets fewer and larger deltas, and one that does not read at all is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from dynasor.serving.dashboard.deltas import delta
from dynasor.serving.edge import SERVICE, TENANT
from dynasor.serving.event_stream import KEEP_ALIVE, ClientStream
from dynasor.serving.program_log import scoped_id
from dynasor.serving.service import Service
from dynasor.vocabulary import JSON

PAUSE_S = 1.0


async def watch(request: web.Request) -> web.StreamResponse:
    """Snapshot and deltas of the live page, or of the page of ``?program=ID``."""
    service, tenant = request.app[SERVICE], request[TENANT]
    state = state_of(service, tenant, request.query.get("program"))
    out = ClientStream(request, service.limits.write_timeout_s)
    with service.watchers.one_more(tenant, service.limits.max_watchers_per_key):
        await tell_changes(out, state, service)
    return out.response


def state_of(service: Service, tenant: str, program_id: str | None) -> Callable[[], JSON]:
    """What is watched, looked up anew each time it is called. Raises Refused if there is no such program."""
    if program_id is None:
        return lambda: service.views.live(tenant)
    record = service.find(tenant, program_id)
    num_changes = -1
    state: JSON = {}

    def program() -> JSON:
        """Made anew where the program has changed, or another has taken its name."""
        nonlocal record, num_changes, state
        found = service.log.find(scoped_id(tenant, program_id)) or record
        if found is not record or found.num_changes != num_changes:
            record, num_changes, state = found, found.num_changes, service.views.program(found)
        return state

    return program


async def tell_changes(out: ClientStream, state: Callable[[], JSON], service: Service) -> None:
    """Until the client goes, or is dropped for not reading."""
    seen: JSON = {}
    silent_since = time.monotonic()
    first: JSON = {"model": service.offer.model, "server_time": time.time()}
    while True:
        now = state()
        news = delta(seen, now)
        if news or first:
            await out.send([{**first, **news}])
            first, silent_since = {}, time.monotonic()
        elif time.monotonic() - silent_since > service.limits.keep_alive_s:
            await out.write(KEEP_ALIVE)
            silent_since = time.monotonic()
        seen = now
        await asyncio.sleep(PAUSE_S)

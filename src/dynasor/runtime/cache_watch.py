"""How full an engine's KV cache is, told to what finds the replica's capacity."""

from __future__ import annotations

import asyncio
import logging

from dynasor.engines.protocol import Engine, TellsCacheUsage
from dynasor.errors import EngineError
from dynasor.runtime.dispatcher import Dispatcher
from dynasor.runtime.visit import Replica
from dynasor.vocabulary import ReplicaState

LOGGER = logging.getLogger(__name__)
LOOK_S = 2.0
"""Seconds between two looks: a cache takes longer to fill, and an engine does not notice the questions."""


async def watch_cache(replica: Replica, dispatcher: Dispatcher, look_s: float) -> None:
    """Look every ``look_s`` seconds, until cancelled. What cannot be seen now is left for the next look."""
    has_told = True
    while True:
        if replica.state is ReplicaState.IN:
            try:
                usage = await usage_of(replica.engine, look_s)
            except (EngineError, TimeoutError) as error:
                LOGGER.debug("the KV cache of %r cannot be looked at now: %s", replica.engine, error)
            else:
                if usage is not None:
                    dispatcher.observe(replica.name, kv_usage=usage)
                elif has_told:
                    LOGGER.info("%r does not tell how full its KV cache is: throughput alone counts", replica.engine)
                has_told = usage is not None
        await asyncio.sleep(look_s)


async def usage_of(engine: Engine, most_s: float) -> float | None:
    if not isinstance(engine, TellsCacheUsage):
        return None
    async with asyncio.timeout(most_s):
        return await engine.cache_usage()

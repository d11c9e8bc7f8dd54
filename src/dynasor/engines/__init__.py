"""What generates text: one protocol, and an adapter for each kind of engine.

An adapter is imported when it is opened, so that a command that needs none does not pay for its libraries.
"""

from __future__ import annotations

from dynasor.engines.opening import open_engine
from dynasor.engines.priorities import warn_if_priorities_are_ignored
from dynasor.engines.protocol import EndsThinking, Engine, EngineInfo

__all__ = ["EndsThinking", "Engine", "EngineInfo", "open_engine", "warn_if_priorities_are_ignored"]

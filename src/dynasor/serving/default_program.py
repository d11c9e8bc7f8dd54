"""Which program a request gets that names none, where nobody said it for the server either."""

from __future__ import annotations

from dynasor.engines.protocol import Engine
from dynasor.errors import EngineError
from dynasor.models.formats import THINK
from dynasor.serving.requests import PASS_THROUGH
from dynasor.vocabulary import Message

CHAIN = "chain-of-thought"
ANY_QUESTION = (Message("user", "?"),)


async def default_program(engine: Engine) -> str:
    """A chain of thought that stops when its answer has settled, for a model that thinks; others answer by themselves.

    A vote among samples would change what a plain client gets, and a model that does not think has nothing to stop.
    """
    return CHAIN if await is_reasoning_model(engine) else PASS_THROUGH


async def is_reasoning_model(engine: Engine) -> bool:
    """Whether the engine's chat template begins the model's thinking, or lets one choose. False if it is not shown."""
    try:
        thinking = await engine.render(ANY_QUESTION, thinking=True)
        plain = await engine.render(ANY_QUESTION, thinking=False)
    except EngineError:
        return False
    return thinking != plain or thinking.rstrip().endswith(THINK)

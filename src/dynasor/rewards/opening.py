"""From what a user writes to a reward."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from dynasor.errors import InputError
from dynasor.loading import load_attribute
from dynasor.parameters import read_parameters, split_settings
from dynasor.rewards.functions import Function
from dynasor.rewards.judges import Judge, YesNo
from dynasor.rewards.likelihood import Likelihood
from dynasor.rewards.protocol import Reward

REWARDS: Mapping[str, Callable[..., Reward]] = {"judge": Judge, "yes-no": YesNo, "likelihood": Likelihood}
"""What a reward may be named as, with options inline: ``likelihood:form=mean``."""

REWARD_CHOICES = f"{', '.join(REWARDS)}, the URL of a reward model, or your own as module:attribute"


def open_reward(spec: str, *, api_key: str | None = None) -> Reward:
    """The reward that ``spec`` names; use it under ``entered``.

    Args:
        spec: a name in ``REWARDS``, with options of it after a colon; an http(s) URL of a server or of one of its
            scoring endpoints, with those of ``Scoring`` as its query (``http://host/pooling?aggregation=min``); or
            a ``module:attribute`` of the user's own: a function, a reward, or a class of rewards.
        api_key: for a URL, its key.

    Raises:
        InputError: ``spec`` is none of these, or an option cannot be used.
    """
    if spec.lower().startswith(("http://", "https://")):
        return reward_at(urlsplit(spec), api_key)
    name, colon, options = spec.partition(":")
    if name in REWARDS:
        who = f"the reward {name}"
        settings = split_settings(options.split(",") if options else (), who)
        return REWARDS[name](**read_parameters(REWARDS[name], settings, who))
    if colon:
        return as_reward(load_attribute(spec, "reward"), spec)
    raise InputError(f"there is no reward {spec!r}; choose {REWARD_CHOICES}")


def reward_at(url: SplitResult, api_key: str | None) -> Reward:
    from dynasor.rewards.endpoint import Scoring, ScoringEndpoint, parse_endpoint

    base = url._replace(query="").geturl()
    options = [f"{name}={value}" for name, value in parse_qsl(url.query, keep_blank_values=True)]
    who = f"the reward at {base}"
    settings = split_settings(options, who)
    _, kind = parse_endpoint(base)
    if kind is not None:
        settings.setdefault("kind", kind)
    scoring = Scoring(**read_parameters(Scoring, settings, who))  # type: ignore[arg-type]  # read by its annotations
    return ScoringEndpoint(base, scoring, api_key=api_key)


def as_reward(found: Any, spec: str) -> Reward:
    """What stands at a ``module:attribute`` as a reward."""
    if not hasattr(found, "score"):
        if not callable(found):
            raise InputError(f"the reward {spec!r} is neither a function nor has it a score(session, solution) method")
        return Function(found, spec)
    reward = found() if isinstance(found, type) else found
    for name in ("needs_logprobs", "needs_prompt"):
        if not isinstance(getattr(reward, name, None), bool):
            raise InputError(f"the reward {spec!r} does not say whether it {name}, True or False")
    return reward  # type: ignore[no-any-return]  # checked above; the annotation names the Protocol


@asynccontextmanager
async def entered(reward: Reward | None) -> AsyncIterator[None]:
    """The time in which ``reward`` scores: one that has connections opens them, and closes them at the end."""
    if isinstance(reward, AbstractAsyncContextManager):
        async with reward:
            yield
    else:
        yield

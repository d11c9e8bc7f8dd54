"""A reward model behind HTTP: the scoring endpoints of vLLM, and whoever speaks like them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from dynasor.engines.address import Address, parse_address
from dynasor.errors import EngineFailed, InputError
from dynasor.rewards.checking import brief, checked
from dynasor.rewards.connection import Connection
from dynasor.rewards.protocol import Solution
from dynasor.vocabulary import JSON, Question

if TYPE_CHECKING:
    from dynasor.programs.protocol import Session

Kind = Literal["pooling", "classify", "score"]
Aggregation = Literal["last", "min", "product", "mean"]
Normalisation = Literal["probability", "sigmoid", "softmax"]

AGGREGATIONS: Mapping[Aggregation, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1],
    "min": min,
    "product": math.prod,
    "mean": lambda scores: math.fsum(scores) / len(scores),
}


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a reward model is shown, and how what it says becomes a reward.

    Args:
        kind: which endpoint. ``pooling``: a process reward model, which says something at every step token.
            ``classify``: a model that says one thing about a whole conversation. ``score``: one that compares two
            texts, here the question and its solution.
        model: the model to ask for, if the server has several.
        step_token: pooling: what ends a step for the model; Qwen2.5-Math-PRM's, if not given.
        step_break: pooling: where a step of the solution is split further, for programs that write whole solutions.
            The model should see steps as it was trained to.
        aggregation: pooling: what the steps' scores come to. ``last``, the default, is the model's word on all
            that is written up to there, and what Rebase compares paths by; ``product`` and ``min`` fall with the
            number of steps; ``mean`` forgives a step that spoils the rest.
        normalisation: how what the model says becomes a number in [0, 1]. ``probability``: it is one already, as
            vLLM's heads return it by default; ``sigmoid`` of a raw score; ``softmax`` over the raw scores of all
            classes.
        positive: which of several classes stands for right; counted from the end where negative.
    """

    kind: Kind = "pooling"
    model: str | None = None
    step_token: str = "<extra_0>"
    step_break: str = "\n\n"
    aggregation: Aggregation = "last"
    normalisation: Normalisation = "probability"
    positive: int = -1

    def __post_init__(self) -> None:
        for name, choices in (("kind", Kind), ("aggregation", Aggregation), ("normalisation", Normalisation)):
            if getattr(self, name) not in get_args(choices):
                allowed = ", ".join(get_args(choices))
                raise InputError(f"{name} is {getattr(self, name)!r}; one of {allowed} was expected")
        for name in ("step_token", "step_break"):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; a text was expected")

    def steps_of(self, solution: Solution) -> list[str]:
        """The steps to score: those of the solution, split further at ``step_break``; no blank ones."""
        pieces = [piece for step in solution.steps for piece in step.split(self.step_break)]
        return [piece.replace(self.step_token, "").strip() for piece in pieces if piece.strip()]

    def body(self, question: Question, steps: Sequence[str]) -> JSON:
        """The request that has ``steps`` scored."""
        body: JSON = {} if self.model is None else {"model": self.model}
        if self.kind == "score":
            asked = "\n\n".join(message.content for message in question.messages)
            return body | {"text_1": asked, "text_2": self.step_break.join(steps)}
        messages = [{"role": message.role, "content": message.content} for message in question.messages]
        return body | {"messages": [*messages, {"role": "assistant", "content": self.written(steps)}]}

    def written(self, steps: Sequence[str]) -> str:
        if self.kind == "pooling":
            return "".join(step + self.step_token for step in steps)
        return self.step_break.join(steps)

    def reward(self, answer: Any, num_steps: int, url: str) -> float:
        """The reward in the server's ``answer``. Raises EngineFailed, naming ``url``, if there is none."""
        rows = self.rows(answer, url)
        if not rows:
            raise EngineFailed(f"{url} says nothing: its answer has no rewards")
        if self.kind == "pooling" and len(rows) != num_steps:
            raise EngineFailed(
                f"{url} says {len(rows)} rewards for {num_steps} steps; one at each {self.step_token!r} was expected. "
                """vLLM does so with --pooler-config '{"pooling_type": "STEP", "step_tag_id": ...}', """
                "the id of that token"
            )
        return AGGREGATIONS[self.aggregation]([self.step_reward(row, url) for row in rows])

    def rows(self, answer: Any, url: str) -> list[Any]:
        """What is said about each step, still unchecked."""
        try:
            first = answer["data"][0]
            if self.kind == "pooling":
                return list(first["data"])
            return [first["probs"] if self.kind == "classify" else first["score"]]
        except (LookupError, TypeError):
            raise EngineFailed(f"{url} says {brief(answer)}; a list of rewards under 'data' was expected") from None

    def step_reward(self, row: Any, url: str) -> float:
        classes = row if isinstance(row, list) else [row]
        for value in classes:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise EngineFailed(f"{url} says {brief(row)}; a finite number or a list of them was expected")
        if not -len(classes) <= self.positive < len(classes):
            raise EngineFailed(f"{url} says {brief(row)}, which has no class number {self.positive}")
        return checked(self.normalised(classes), url)

    def normalised(self, classes: Sequence[float]) -> float:
        value = classes[self.positive]
        if self.normalisation == "sigmoid":
            return sigmoid(value)
        if self.normalisation == "softmax":
            return 1 / math.fsum(math.exp(min(other - value, LARGEST_EXPONENT)) for other in classes)
        return value


LARGEST_EXPONENT = 700.0
"""Beyond it ``exp`` overflows."""


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(min(-value, LARGEST_EXPONENT)))


class ScoringEndpoint:
    """A reward model at a URL; an async context manager, which is entered before it scores.

    Its requests go past the scheduler, for it is another server's work; what it read is counted as
    ``score_prompt`` where the server tells (``usage.prompt_tokens``).
    """

    needs_logprobs = False
    needs_prompt = False

    def __init__(
        self,
        url: str,
        scoring: Scoring | None = None,
        *,
        api_key: str | None = None,
        connect_timeout_s: float = 10.0,
        timeout_s: float = 300.0,
        max_attempts: int = 5,
        rng: random.Random | None = None,
    ) -> None:
        """Take ``url``, a server or one of its scoring endpoints (``/pooling``, ``/classify``, ``/score``), which
        then says the kind of scoring.

        Args:
            api_key: sent as a bearer token; never shown in a message.
            timeout_s: how long an answer may take.
            max_attempts: how often a call is made while the server is busy or away.
            rng: spreads the retries; only tests need to give it.

        Raises:
            InputError: a value cannot be used.
        """
        address, kind = parse_endpoint(url)
        self.scoring = scoring or Scoring(kind=kind or "pooling")
        if kind not in (None, self.scoring.kind):
            raise InputError(f"{url} is the endpoint for {kind}, not for {self.scoring.kind}")
        self.url = f"{address.server}/{self.scoring.kind}"
        self._connection = Connection(
            address, api_key, connect_timeout_s, timeout_s, max_attempts, rng or random.Random()
        )

    def __repr__(self) -> str:
        return f"ScoringEndpoint({self.url!r}, {self.scoring})"

    async def __aenter__(self) -> Self:
        """Connect. Raises EngineError if nobody answers there."""
        await self._connection.__aenter__()
        try:
            await self._connection.reach()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connection.__aexit__()

    async def score(self, session: Session, solution: Solution) -> float:
        """The model's reward of ``solution``; 0 for one without a step.

        Raises EngineError when the server is away, refuses, is too slow or says no number from 0 to 1.
        """
        steps = self.scoring.steps_of(solution)
        if not steps:
            return 0.0
        answer = await self._connection.post(self.scoring.kind, self.scoring.body(solution.question, steps))
        session.count_scored(tokens_read(answer))
        return self.scoring.reward(answer, len(steps), self.url)


def parse_endpoint(url: str) -> tuple[Address, Kind | None]:
    """The server of ``url``, and the kind of scoring that its path names."""
    base, _, last = url.rstrip("/").rpartition("/")
    for kind in get_args(Kind):
        if last == kind:
            return parse_address(base), kind
    return parse_address(url), None


def tokens_read(answer: Any) -> int:
    """How many tokens the server says it read; 0 if it does not say."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else 0

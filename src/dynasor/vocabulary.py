"""The words of the house: small frozen values that every other part speaks in. Imports nothing of ours.

A *question* is worked on by a *program*, which sends *requests* to an *engine* and gets *completions*.
From them it measures its *certaindex*; an *allocator* answers with an *allocation*; at the end there is
an *answer*. docs/concepts.md tells the same with a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, as in the OpenAI API. ``role`` is system, user, assistant or tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an engine draws text. ``None`` leaves a value to the engine's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_logprobs: int | None = None
    """How many alternatives to report log-probabilities for at each token (0: the drawn token only)."""
    thinking: bool | None = None
    """Ask the chat template for its long mode (``enable_thinking``) or its short one."""
    top_k: int | None = None
    """Draw from the ``top_k`` likeliest tokens only; 0 or -1: from all. Not of OpenAI's API."""
    min_p: float | None = None
    """And from those at least ``min_p`` times as likely as the likeliest. Not of OpenAI's API."""
    repetition_penalty: float | None = None
    """Divides the scores of tokens that were there before; 1: none. Not of OpenAI's API."""
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @property
    def has_penalty(self) -> bool:
        """Whether tokens that were there before are made less likely, or more."""
        return self.repetition_penalty not in (None, 1) or bool(self.frequency_penalty) or bool(self.presence_penalty)


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asked. ``reference`` is the right answer, if known; it only ever scores, never steers."""

    id: str
    messages: tuple[Message, ...]
    reference: str | None = None
    sampling: Sampling = Sampling()
    """Overrides of the run's sampling for this question (OpenAI batch lines carry their own)."""
    model: str | None = None
    """The model it asks for; None: whichever is served."""

    @classmethod
    def of_text(cls, text: str, id: str = "question", reference: str | None = None) -> Question:
        return cls(id, (Message("user", text),), reference)


class RequestKind(StrEnum):
    """What a request is for; its tokens are counted under this name."""

    MAIN = "main"
    PROBE = "probe"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Request:
    """One call to an engine. ``prompt`` is a conversation (chat API) or a raw text to continue
    (completions API). ``priority`` is its program's class, smaller first; ``number`` counts the program's requests in
    the order in which it made them."""

    id: str
    program_id: str
    prompt: tuple[Message, ...] | str
    sampling: Sampling
    kind: RequestKind = RequestKind.MAIN
    priority: int = 0
    number: int = 0


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A drawn token, its natural-log probability, and those of the alternatives reported with it."""

    token: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Delta:
    """What an engine streamed since the last delta.

    ``num_tokens`` is cumulative: how many tokens the engine has produced for this request so far, text
    and reasoning together. ``finish_reason`` is set on the last delta only, ``prompt_tokens`` once known.
    """

    text: str = ""
    reasoning: str = ""
    num_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for a request that ran to its end. ``number`` is the request's: the order in which samples were
    asked for, whenever they came."""

    request_id: str
    text: str
    finish_reason: FinishReason
    num_tokens: int
    prompt_tokens: int = 0
    reasoning: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens an engine produced, each counted once: by what the request was for, or as ``cancelled`` when
    nobody used them. ``prompt`` tokens were read, not produced; those that a reward read are
    ``score_prompt``."""

    main: int = 0
    probe: int = 0
    score: int = 0
    cancelled: int = 0
    prompt: int = 0
    score_prompt: int = 0

    @property
    def produced(self) -> int:
        return self.main + self.probe + self.score + self.cancelled

    def __add__(self, other: Usage) -> Usage:
        return self.plus(**{name: getattr(other, name) for name in self.__slots__})

    def plus(self, **tokens: int) -> Usage:
        """This usage with ``tokens`` (by kind) added."""
        return Usage(**{name: getattr(self, name) + tokens.get(name, 0) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """How many finished samples gave each answer, largest group first, and how many gave none."""

    groups: tuple[int, ...] = ()
    unanswered: int = 0
    streak: int = 0
    """How many samples in a row, counted back from the latest, gave one same answer; 0 if that had none."""

    @property
    def total(self) -> int:
        return sum(self.groups) + self.unanswered

    @property
    def leader(self) -> int:
        return self.groups[0] if self.groups else 0

    @property
    def runner_up(self) -> int:
        return self.groups[1] if len(self.groups) > 1 else 0


@dataclass(frozen=True, slots=True)
class Certaindex:
    """How settled a program is: its headline ``value`` in [0, 1] and the ``signals`` it can be judged by.

    Signals carry the paper's names (``entropy`` is the normalised one, eq. 1; ``reward``; ``stability``)
    and ours (``agreement``). ``votes`` is the evidence behind them, for programs that vote.
    """

    value: float
    signals: Mapping[str, float]
    votes: VoteCounts | None = None


class StopReason(StrEnum):
    """Why a program spent no more."""

    CERTAIN = "certain"
    HOPELESS = "hopeless"
    """More compute would rarely change the answer for the better."""
    PRICE = "price"
    """More compute is worth more to other programs."""
    CAP = "cap"
    PROGRAM = "program"
    """The program ended by itself, not at its allocator's word."""
    DEADLINE = "deadline"
    """Its time was up: the answer is the best it had by then."""
    STOPPED = "stopped"
    """Somebody asked it to stop: the answer is the best it had by then."""
    FAILED = "failed"


class ReplicaState(StrEnum):
    """Whether a replica is given requests. Best first."""

    IN = "in"
    TRIAL = "trial"
    """It has failed, and gets one request at a time until one of them succeeds."""
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Allocation:
    """An allocator's word: spend ``units`` more of the knob now (0: wait for what runs), or stop."""

    units: int = 0
    stop_reason: StopReason | None = None

    @classmethod
    def grant(cls, units: int) -> Allocation:
        return cls(units=units)

    @classmethod
    def wait(cls) -> Allocation:
        return cls()

    @classmethod
    def stop(cls, reason: StopReason) -> Allocation:
        return cls(stop_reason=reason)


@dataclass(frozen=True, slots=True)
class Spending:
    """Where a program stands with its knob: units ``finished``, units ``open`` (granted, not finished), the
    ``cap`` that finished and open together may not pass, and the ``tokens`` produced for it so far."""

    finished: int
    open: int
    cap: int
    tokens: int = 0

    @property
    def granted(self) -> int:
        return self.finished + self.open


@dataclass(frozen=True, slots=True)
class Branch:
    """One finished sample of a program, as its answer was read, with the tokens it took and the reward it
    got in [0, 1], if it was scored."""

    answer: str | None
    num_tokens: int
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A step in the tree that a program searches: ``node`` and its ``parent`` are numbers within the program, a
    ``parent`` of 0 is the question. ``reward`` in [0, 1] is what the search thinks of it now, None before it was
    scored; ``visits`` counts the rollouts through it, where there are any."""

    node: int
    parent: int
    text: str
    num_tokens: int
    reward: float | None = None
    visits: int = 0
    is_leaf: bool = False
    """A solution ends here, with ``answer`` if it has one."""
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program says at its end.

    ``text`` is the bare answer (None: no sample had one), ``solution`` a worked text that ends in it.
    The runtime fills in ``stop_reason``, ``usage``, ``num_samples``, ``duration_s`` (from the program's arrival to its
    end) and ``queue_s`` (from its arrival to the start of its first request).
    """

    text: str | None
    certaindex: Certaindex
    solution: str = ""
    branches: tuple[Branch, ...] = ()
    stop_reason: StopReason = StopReason.PROGRAM
    usage: Usage = Usage()
    num_samples: int = 0
    duration_s: float = 0.0
    queue_s: float = 0.0


JSON = dict[str, Any]
"""A JSON object as the standard library reads it."""

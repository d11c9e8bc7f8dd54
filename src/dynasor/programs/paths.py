"""Paths: solutions written step by step, which is what programs that search in trees do.

A step is what the model writes up to and including the first delimiter after something that is not blank. It is cut
from the stream and not by the engine's own ``stop`` strings: those are dropped from the text, and engines do not
tell them from the model's own end, so a finished solution could not be told from an unfinished one, and what is
continued would not be what was written. The price is the token or two that an engine writes before it notices that
nobody reads on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dynasor.errors import EngineRejected, InputError
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.rewards import Reward, Solution
from dynasor.rewards.checking import checked
from dynasor.vocabulary import FinishReason, Sampling, TokenLogprob, TreeNode


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of a solution, with the number of tokens it was written in and, if asked for, their
    log-probabilities."""

    text: str
    num_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()

    def cut(self, end: int) -> tuple[Step, Step]:
        """The first ``end`` characters and the rest. A token that is cut through belongs to the first."""
        first = self._tokens_before(end)
        return (
            Step(self.text[:end], first, self.logprobs[:first]),
            Step(self.text[end:], self.num_tokens - first, self.logprobs[first:]),
        )

    def _tokens_before(self, end: int) -> int:
        """How many tokens begin before character ``end``: counted where their texts are known, else in proportion."""
        if not self.logprobs:
            return math.ceil(self.num_tokens * end / len(self.text)) if self.text else self.num_tokens
        begin = 0
        for number, token in enumerate(self.logprobs):
            if begin >= end:
                return number
            begin += len(token.token)
        return len(self.logprobs)


@dataclass(frozen=True, slots=True)
class Path:
    """A solution as far as it is written; ``end`` says why it ended (None: it goes on). Joined as they are, its steps
    are the text that the model continued and will continue."""

    steps: tuple[Step, ...] = ()
    end: FinishReason | None = None
    node: int = field(default=0, compare=False)
    """The number of its last step in the tree that those who watch see."""

    @property
    def text(self) -> str:
        return "".join(step.text for step in self.steps)

    @property
    def num_tokens(self) -> int:
        """The path's own length, whoever shares a part of it."""
        return sum(step.num_tokens for step in self.steps)

    @property
    def is_dead(self) -> bool:
        """It was cut off and will never give an answer."""
        return self.end is FinishReason.LENGTH

    def then(self, *steps: Step, end: FinishReason | None = None) -> Path:
        return Path((*self.steps, *steps), end, self.node)

    def as_node(self, parent: int, reward: float | None = None, answer: ReadAnswer | None = None) -> TreeNode:
        """Its last step, as those who watch see it."""
        last = self.steps[-1] if self.steps else Step("", 0)
        said = answer.text if answer else None
        return TreeNode(self.node, parent, last.text, last.num_tokens, reward, is_leaf=bool(self.end), answer=said)

    def given_up(self) -> Path:
        return replace(self, end=FinishReason.LENGTH)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path: its answer (None: it has none) and its reward, 0 without an answer."""

    path: Path
    answer: ReadAnswer | None
    reward: float


def step_end(text: str, delimiter: str) -> int | None:
    """Where the first step of ``text`` ends, its delimiter included; None if it does not end in here."""
    begin = len(text) - len(text.lstrip())
    found = text.find(delimiter, begin + 1)
    return None if found < 0 else found + len(delimiter)


def steps_of(whole: Step, delimiter: str) -> Iterator[Step]:
    """The steps that ``whole`` consists of. The last one may lack its delimiter; a blank rest belongs to it."""
    while (end := step_end(whole.text, delimiter)) is not None and whole.text[end:].strip():
        first, whole = whole.cut(end)
        yield first
    if whole.text:
        yield whole


def checked_delimiter(delimiter: str) -> str:
    if not delimiter:
        raise InputError("step_end is empty; a text at which steps end was expected, such as a line break")
    return delimiter


class PathWriter:
    """Writes, scores and reads paths for one run of a program.

    Requests continue the rendered question as raw text, with the run's sampling; its ``max_tokens`` bounds a
    whole path, as it bounds a sample of other programs. A path that the engine takes no more of, because it fills
    the model's context, is dead.
    """

    def __init__(self, session: Session, prompt: str, reward: Reward, delimiter: str) -> None:
        self._session = session
        self._prompt = prompt
        self._reward = reward
        self._delimiter = delimiter
        self._sampling = replace(session.sampling, top_logprobs=0) if reward.needs_logprobs else session.sampling

    async def write_step(self, path: Path, max_step_tokens: int) -> Path:
        """``path`` and one more step. One that ``max_step_tokens`` cut short goes on without a delimiter, unless it
        has brought nothing but blanks."""
        room = self._room(path)
        sampling = replace(self._sampling, max_tokens=min(room or max_step_tokens, max_step_tokens))
        try:
            step, end = await self._first_step(self._prompt + path.text, sampling)
        except EngineRejected:
            if not path.steps:
                raise
            return path.given_up()
        is_cut_short = end is FinishReason.LENGTH and max_step_tokens <= step.num_tokens != room
        return path.then(step, end=None if is_cut_short and step.text.strip() else end)

    async def _first_step(self, prompt: str, sampling: Sampling) -> tuple[Step, FinishReason | None]:
        """What the model writes up to the end of a step, and why it ended if that was before."""
        logprobs: tuple[TokenLogprob, ...] = ()
        async with self._session.stream(prompt, sampling=sampling) as stream:
            async for delta in stream:
                logprobs += delta.logprobs
                end = step_end(stream.text, self._delimiter)
                if end is not None and delta.finish_reason is None:
                    step, _ = Step(stream.text, stream.num_tokens, logprobs).cut(end)
                    stream.keep(step.num_tokens)
                    return step, None
        completion = stream.completion
        assert completion is not None, "a stream that was read to its end has a completion"
        return Step(completion.text, completion.num_tokens, completion.logprobs), completion.finish_reason

    async def write_to_end(self, path: Path) -> Path:
        """``path`` and all steps that follow, in one request."""
        sampling = replace(self._sampling, max_tokens=self._room(path))
        try:
            completion = await self._session.generate(self._prompt + path.text, sampling=sampling)
        except EngineRejected:
            if not path.steps:
                raise
            return path.given_up()
        rest = Step(completion.text, completion.num_tokens, completion.logprobs)
        return path.then(*steps_of(rest, self._delimiter), end=completion.finish_reason)

    async def score(self, path: Path) -> float:
        """What the reward says of ``path``, in [0, 1]."""
        solution = Solution(
            question=self._session.question,
            steps=tuple(step.text for step in path.steps),
            prompt=self._prompt,
            logprobs=tuple(token for step in path.steps for token in step.logprobs),
            is_finished=path.end is not None,
        )
        return checked(await self._reward.score(self._session, solution))

    async def leaf(self, path: Path) -> Leaf:
        """``path``, which has ended, with its answer and its reward."""
        answer = None if path.is_dead else await self._session.read_text(path.text)
        return Leaf(path, answer, 0.0 if answer is None else await self.score(path))

    def _room(self, path: Path) -> int | None:
        """How many tokens ``path`` may still grow by; None: nobody limits it."""
        limit = self._session.sampling.max_tokens
        return None if limit is None else max(1, limit - path.num_tokens)

"""Where simulated completions come from: samples that were recorded, or a population of questions fitted to some.

A sample is drawn by the seed of its request, which depends on the run's seed, the question and the sample's place in
the program. So a program gets the same samples under every policy and allocator, and what differs is what they made of
them.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import ClassVar, Protocol

import orjson

from dynasor.errors import InputError
from dynasor.replay.traces import CHARS_PER_TOKEN, RecordedQuestion, RecordedSample, Trace
from dynasor.vocabulary import JSON

RIGHT = "1"
"""What the right answer of a modelled question is written as."""
NO_ANSWER = "I do not know."


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion: the number that stands for its answer (None: it has none), its length, and its reward in [0, 1]
    if one was recorded."""

    answer: str | None
    num_tokens: int
    reward: float | None = None

    @property
    def text(self) -> str:
        """As production reads it. Equal answers are the same number, others another; what was really written there
        might need a process of its own to compare, which a simulation cannot wait for."""
        return NO_ANSWER if self.answer is None else f"\\boxed{{{self.answer}}}"


class SimulatedQuestion(Protocol):
    """What programs work on. ``key`` is the same for the same question."""

    @property
    def key(self) -> Hashable: ...

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def right(self) -> frozenset[str] | None:
        """The answers that are right; None if nobody knows."""
        ...

    @property
    def difficulty(self) -> int:
        """The paper's factor for deadlines (its section F): 1 where all samples are right, 3 where none is, else 2."""
        ...

    @property
    def chance_right(self) -> float:
        """How likely a sample is right, as far as is known."""
        ...

    def draw(self, seed: int) -> Sample:
        """The sample of the request with this seed, any whole number from 0 up."""
        ...


class Questions(Protocol):
    """A source of questions; ``lengths`` says where the numbers of tokens come from, ``has_rewards`` whether samples
    have one each, and ``has_marks`` whether it is known which are right."""

    @property
    def name(self) -> str: ...

    @property
    def lengths(self) -> str: ...

    @property
    def has_rewards(self) -> bool: ...

    @property
    def has_marks(self) -> bool: ...

    def draw(self, rng: random.Random) -> SimulatedQuestion: ...


@dataclass(frozen=True, slots=True)
class RecordedDraws:
    """A recorded question; samples are drawn from those recorded, with replacement."""

    key: str
    prompt_tokens: int
    samples: tuple[Sample, ...]
    right: frozenset[str] | None

    @property
    def chance_right(self) -> float:
        return fmean(sample.answer in (self.right or ()) for sample in self.samples)

    @property
    def difficulty(self) -> int:
        rights = Counter(sample.answer in (self.right or ()) for sample in self.samples)
        return 2 if len(rights) == 2 else 1 if rights[True] else 3

    def draw(self, seed: int) -> Sample:
        return self.samples[seed % len(self.samples)]


@dataclass(frozen=True, slots=True)
class RecordedQuestions:
    """The questions of a trace, each as likely as any other."""

    name: str
    lengths: str
    questions: tuple[RecordedDraws, ...]

    @classmethod
    def of(cls, trace: Trace, *, prompt_tokens: int, mean_tokens: float = 256.0) -> RecordedQuestions:
        """``prompt_tokens`` is the length of every prompt, which traces do not record. Where they do not tell the
        length of samples either, all have ``mean_tokens``."""
        if prompt_tokens < 1:
            raise InputError(f"prompt_tokens is {prompt_tokens}; at least 1 was expected")
        lengths = LENGTHS.get(trace.token_counts or "") or f"{mean_tokens:g} tokens each (not recorded)"
        questions = tuple(_recorded(each, prompt_tokens, trace.token_counts, mean_tokens) for each in trace.questions)
        return cls(trace.name, lengths, questions)

    @property
    def has_rewards(self) -> bool:
        """Whether all samples have one that is a number from 0 to 1."""
        samples = (sample for question in self.questions for sample in question.samples)
        return all(sample.reward is not None and 0 <= sample.reward <= 1 for sample in samples)

    @property
    def has_marks(self) -> bool:
        return all(question.right is not None for question in self.questions)

    def draw(self, rng: random.Random) -> RecordedDraws:
        return rng.choice(self.questions)


LENGTHS = {"recorded": "recorded", "chars": f"recorded characters, {CHARS_PER_TOKEN} a token"}


def _recorded(question: RecordedQuestion, prompt_tokens: int, counts: str | None, mean_tokens: float) -> RecordedDraws:
    numbers: dict[str, str] = {}
    for each in question.samples:
        if each.answer is not None:
            numbers.setdefault(each.answer, str(len(numbers) + 1))
    marks = question.marks
    right = None if marks is None else frozenset(numbers[answer] for answer, mark in marks.items() if mark and answer)
    samples = tuple(
        Sample(
            None if each.answer is None else numbers[each.answer],
            max(1, round(_tokens(each, counts) if counts else mean_tokens)),
            each.reward,
        )
        for each in question.samples
    )
    return RecordedDraws(question.id, prompt_tokens, samples, right)


def _tokens(sample: RecordedSample, counts: str | None) -> float:
    return float(sample.tokens or 0) if counts == "recorded" else (sample.chars or 0) / CHARS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class ModelledQuestion:
    """A question of a population: how likely a sample is right or has no answer, how wrong answers repeat, and how
    long samples are (log-normal)."""

    key: str
    prompt_tokens: int
    right_share: float
    unanswered_share: float
    wrong_ratio: float
    log_tokens: float
    log_tokens_spread: float
    right: frozenset[str] | None = frozenset({RIGHT})

    @property
    def chance_right(self) -> float:
        return (1 - self.unanswered_share) * self.right_share

    @property
    def difficulty(self) -> int:
        return 1 if self.right_share > 0.99 else 3 if self.right_share < 0.01 else 2

    def draw(self, seed: int) -> Sample:
        rng = random.Random(seed)
        tokens = math.exp(rng.gauss(self.log_tokens, self.log_tokens_spread))
        return Sample(self._answer(rng), max(1, round(tokens)))

    def _answer(self, rng: random.Random) -> str | None:
        if rng.random() < self.unanswered_share:
            return None
        if rng.random() < self.right_share:
            return RIGHT
        if not self.wrong_ratio:
            return "2"
        return str(2 + int(math.log(1.0 - rng.random()) / math.log(self.wrong_ratio)))


@dataclass(frozen=True, slots=True)
class Population:
    """Questions without end, each another.

    How likely a sample of a question is right, if it has an answer, is drawn from Beta(``right_a``, ``right_b``): the
    difficulty. Wrong answers follow a geometric law, the k-th most frequent a share of (1 - r) r^(k-1). Lengths are
    log-normal, with one spread between the questions and another among the samples of one.

    Args:
        name: what it is called.
        source: what it was fitted to, and how.
        right_a: of the Beta law.
        right_b: of the Beta law.
        unanswered_share: of samples, without an answer.
        wrong_ratio: r, from 0 (all wrong samples agree) up to, not including, 1.
        mean_log_tokens: mean natural logarithm of a sample's tokens.
        spread_between: standard deviation of that between questions.
        spread_within: among the samples of one question.
        prompt_tokens: of every question.
        lengths: where the numbers of tokens come from.
    """

    name: str = "population"
    source: str = ""
    right_a: float = 1.0
    right_b: float = 1.0
    unanswered_share: float = 0.0
    wrong_ratio: float = 0.5
    mean_log_tokens: float = 5.5
    spread_between: float = 0.3
    spread_within: float = 0.3
    prompt_tokens: int = 120
    lengths: str = "modelled"
    has_rewards: ClassVar[bool] = False
    has_marks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("right_a", "right_b"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; a number above 0 was expected")
        for name in ("unanswered_share", "wrong_ratio"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name)}; a number from 0 up to, not including, 1 was expected"
                )
        for name in ("spread_between", "spread_within"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; a number from 0 up was expected")
        if self.prompt_tokens < 1:
            raise InputError(f"prompt_tokens is {self.prompt_tokens}; at least 1 was expected")

    def draw(self, rng: random.Random) -> ModelledQuestion:
        return ModelledQuestion(
            key=f"{self.name}/{rng.getrandbits(48):012x}",
            prompt_tokens=self.prompt_tokens,
            right_share=rng.betavariate(self.right_a, self.right_b),
            unanswered_share=self.unanswered_share,
            wrong_ratio=self.wrong_ratio,
            log_tokens=rng.gauss(self.mean_log_tokens, self.spread_between),
            log_tokens_spread=self.spread_within,
        )

    def to_json(self) -> JSON:
        return {"dynasor_population": 1} | asdict(self)

    @classmethod
    def load(cls, path: Path) -> Population:
        """InputError if there is no such file or it is no population."""
        try:
            stored = orjson.loads(path.read_bytes())
            version = stored.pop("dynasor_population")
            if version != 1:
                raise InputError(f"{path} is a population of version {version!r}; this dynasor reads version 1")
            return cls(**stored)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such population") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path} is not a population: {error!r}") from None


def fit_population(trace: Trace, *, prompt_tokens: int, mean_tokens: float = 256.0) -> Population:
    """The population whose means are those of ``trace``: method of moments, with no search.

    The Beta law has the mean and variance of the questions' shares of right samples, less what drawing so few samples
    adds to it; where nobody marked what is right, a question's most frequent answer stands for it. The geometric law
    has the chance that two wrong samples of a question agree.
    """
    recorded = RecordedQuestions.of(trace, prompt_tokens=prompt_tokens, mean_tokens=mean_tokens)
    questions = recorded.questions
    right_a, right_b = _beta([_right_and_answered(each) for each in questions])
    agreement = _wrong_agreement(questions)
    logs = [[math.log(sample.num_tokens) for sample in each.samples] for each in questions]
    samples = [sample for each in questions for sample in each.samples]
    marked = "marks" if all(each.right is not None for each in questions) else "majorities taken for right"
    return Population(
        name=trace.name,
        source=f"fitted to {len(questions)} questions, {len(samples)} samples of {trace.name} ({marked})",
        right_a=right_a,
        right_b=right_b,
        unanswered_share=min(0.999, fmean(sample.answer is None for sample in samples)),
        wrong_ratio=(1 - agreement) / (1 + agreement),
        mean_log_tokens=fmean(fmean(each) for each in logs),
        spread_between=pstdev(fmean(each) for each in logs),
        spread_within=math.sqrt(fmean(pstdev(each) ** 2 for each in logs)),
        prompt_tokens=prompt_tokens,
        lengths=f"modelled (log-normal) after {recorded.lengths}",
    )


def _right_and_answered(question: RecordedDraws) -> tuple[int, int]:
    answers = Counter(sample.answer for sample in question.samples if sample.answer is not None)
    right = question.right if question.right is not None else {answer for answer, _ in answers.most_common(1)}
    return sum(answers[answer] for answer in right), answers.total()


def _beta(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The Beta law of shares, of which (right, all) samples were drawn."""
    shares = [(right / total, total) for right, total in counts if total > 1]
    if not shares:
        return 1.0, 1.0
    mean = min(0.999, max(0.001, fmean(share for share, _ in shares)))
    by_chance = fmean(share * (1 - share) / (total - 1) for share, total in shares)
    variance = fmean((share - mean) ** 2 for share, _ in shares) - by_chance
    size = mean * (1 - mean) / min(max(variance, 1e-4), 0.99 * mean * (1 - mean)) - 1
    return mean * size, (1 - mean) * size


def _wrong_agreement(questions: Sequence[RecordedDraws]) -> float:
    """The chance that two wrong samples of one question give one answer."""
    same = pairs = 0
    for question in questions:
        answers = Counter(sample.answer for sample in question.samples if sample.answer is not None)
        right = question.right if question.right is not None else {answer for answer, _ in answers.most_common(1)}
        wrong = [count for answer, count in answers.items() if answer not in right]
        same += sum(count * (count - 1) for count in wrong)
        pairs += sum(wrong) * (sum(wrong) - 1)
    return same / pairs if pairs else 0.5

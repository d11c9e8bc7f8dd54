"""Who writes for programs in a simulation: whole samples, solutions step by step, verdicts, chains and their probes.

What a program sends back to be gone on with is all that a text can tell of the solution behind it, as with a real
engine. So the texts here say in short what state they are in: which step of how many this is, how many tokens it took,
whether the solution is still right, and a number of its own. Programs read none of that; they find steps, boxes and
verdicts where a model would have written them.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from dynasor.errors import InputError
from dynasor.models.formats import ASSISTANT, END_THINK, THINK
from dynasor.replay.traces import CHARS_PER_TOKEN
from dynasor.simulation.answers import NO_ANSWER, Sample, SimulatedQuestion
from dynasor.simulation.engine import Piece, Reply
from dynasor.simulation.manner import Manner
from dynasor.simulation.memory import Segment
from dynasor.vocabulary import Message, Question, Request, RequestKind, TokenLogprob

STEP = re.compile(r"(\d+)/(\d+) (\d+)([+-]) [0-9a-f]{8}")
SAMPLE = re.compile(r"~(\d+) [0-9a-f]{8}")
RECORDED_REWARD = re.compile(r"reward (\d\.\d+)")
BOX = re.compile(r"\\boxed\{(\d+)\}")
CHAIN = re.compile(r"([0-9a-f]{8})(\.*)")
TELLS_EVERY = 16
"""Tokens of a chain at which it tells how far it is: each stands for a dot in its text."""
ANSWER_TOKENS = 12
"""In which a chain says its answer, after its thinking."""
SURE, NOT_SURE = 0.97, 0.5
"""The probability of what a probe answers."""
MOST_DRAWS = 64
FULL_SEEDS = 1 << 31


@dataclass(frozen=True, slots=True)
class Style:
    """What a stream's programs ask for: what a step ends with (None: they ask for whole samples), and the words of the
    verdicts on them, right and wrong (None: they are not scored)."""

    step_end: str | None = None
    words: tuple[str, str] | None = None


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Step:
    """A step as a text shows it."""

    number: int
    total: int
    num_tokens: int
    is_right: bool
    text: str

    @classmethod
    def of(cls, found: re.Match[str]) -> Step:
        number, total, num_tokens, mark = found.groups()
        return cls(int(number), int(total), int(num_tokens), mark == "+", found.group())


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what one program asks for. Nothing but the question, the manner and the request decides what."""

    question: SimulatedQuestion
    manner: Manner
    style: Style

    def reply(self, request: Request) -> Reply:
        seed, prompt = request.sampling.seed or 0, request.prompt
        if request.kind is RequestKind.SCORE:
            return self._verdict(prompt if isinstance(prompt, str) else prompt[-2].content)
        if isinstance(prompt, tuple):
            return self._reply((self._sample(seed),))
        written = prompt.rpartition(ASSISTANT)[2]
        if written.startswith(THINK):
            return self._thought(written[len(THINK) :].lstrip("\n"), seed, request.kind)
        if self.style.step_end is None:
            return self._reply((self._sample(seed),))
        steps = [Step.of(found) for found in STEP.finditer(written)]
        return self._reply(
            tuple(self._pieces_after(steps, seed)), *(Segment(each.text, each.num_tokens) for each in steps)
        )

    def _reply(self, pieces: tuple[Piece, ...], *further: Segment, num_beside: int = 0) -> Reply:
        beginning = Segment(self.question.key, self.question.prompt_tokens)
        return Reply((beginning, *further), pieces, num_beside=num_beside)

    def _sample(self, seed: int) -> Piece:
        sample = self.question.draw(seed)
        if self.style.words is None:
            return Piece(sample.text, sample.num_tokens)
        key = f"~{sample.num_tokens} {seed:08x}"
        return Piece(f"{key} {said(sample)}", sample.num_tokens, key=key)

    def _pieces_after(self, steps: list[Step], seed: int) -> Iterator[Piece]:
        """The steps that follow. A solution goes wrong at any step with the same chance, so that in the end as many are
        right as samples of the question are; one that went wrong stays so."""
        rng = random.Random(seed)
        total = steps[-1].total if steps else self._num_steps(seed)
        is_right = not steps or steps[-1].is_right
        stays = self.question.chance_right ** (1 / total)
        num_tokens = 0
        for number in range(len(steps) + 1, total + 1):
            is_right = is_right and rng.random() < stays
            spread = self.manner.step_spread
            length = max(1, round(self.manner.step_tokens * math.exp(rng.gauss(-spread * spread / 2, spread))))
            num_tokens += length
            key = text = f"{number}/{total} {length}{'+' if is_right else '-'} {rng.getrandbits(32):08x}"
            if number == total:
                text += f" {said(self._drawn(is_right, rng))}"
            else:
                text += self.style.step_end or ""
            yield Piece(text, num_tokens, key=key)

    def _num_steps(self, seed: int) -> int:
        return max(1, round(self.question.draw(seed).num_tokens / self.manner.step_tokens))

    def _drawn(self, is_right: bool, rng: random.Random) -> Sample:
        """A sample that is right, or wrong, as the question has them."""
        right = self.question.right or frozenset()
        for _ in range(MOST_DRAWS):
            sample = self.question.draw(rng.randrange(FULL_SEEDS))
            if (sample.answer in right) == is_right:
                return sample
        return Sample(min(right) if is_right and right else None, 1)

    def _verdict(self, text: str) -> Reply:
        """One word on a solution, as likely as its reward is high; the reward depends on the text alone."""
        assert self.style.words is not None, "verdicts are asked for by rewards"
        text = text.rpartition(ASSISTANT)[2]
        steps = [Step.of(found) for found in STEP.finditer(text)]
        further = [Segment(each.text, each.num_tokens) for each in steps]
        if (sample := SAMPLE.search(text)) is not None:
            further.append(Segment(sample.group(), int(sample.group(1))))
        score = self._score(text, steps)
        right, wrong = self.style.words
        word = right if score >= 0.5 else wrong
        logprobs = {right: math.log(score), wrong: math.log1p(-score)}
        piece = Piece(word, 1, (TokenLogprob(word, logprobs[word], logprobs),))
        return self._reply((piece,), *further, Segment("verdict", 1))

    def _score(self, text: str, steps: list[Step]) -> float:
        recorded = RECORDED_REWARD.search(text)
        if recorded is not None:
            return min(max(float(recorded[1]), 1e-6), 1 - 1e-6)
        if steps:
            is_right = steps[-1].is_right
        else:
            box = BOX.search(text)
            is_right = box is not None and box[1] in (self.question.right or ())
        rng = random.Random(crc32(f"{self.question.key} {text}".encode()))
        apart = self.manner.separation
        return 1 / (1 + math.exp(-rng.gauss(apart / 2 if is_right else -apart / 2, 1.0)))

    def _thought(self, written: str, seed: int, kind: RequestKind) -> Reply:
        """A chain, or what goes on from a part of one: a probe, or its answer written out."""
        found = CHAIN.match(written)
        if found is None:
            chain = self._chain(seed)
            return self._reply(tuple(chain.pieces()))
        chain, num_tokens = self._chain(int(found[1], 16)), TELLS_EVERY * len(found[2])
        answer, confidence = self._so_far(chain, num_tokens)
        asked = Segment(("asked", num_tokens), ANSWER_TOKENS)
        if kind is RequestKind.PROBE:
            text = f"{answer or '?'}}}"
            piece = Piece(text, self.manner.probe_tokens, (TokenLogprob(text, math.log(confidence)),))
        else:
            piece = Piece(said(Sample(answer, ANSWER_TOKENS)), ANSWER_TOKENS)
        return self._reply((piece,), asked, num_beside=num_tokens)

    def _chain(self, seed: int) -> Chain:
        sample, manner, rng = self.question.draw(seed), self.manner, random.Random(seed)
        num_tokens = max(1, round(manner.chain_stretch * sample.num_tokens))
        share = min(1.0, max(0.0, rng.gauss(manner.settles_at, manner.settles_spread)))
        return Chain(seed, sample, num_tokens, share * num_tokens)

    def _so_far(self, chain: Chain, num_tokens: int) -> tuple[str | None, float]:
        """What a probe there answers, and how sure it is."""
        if num_tokens >= chain.settles_at:
            return chain.sample.answer, SURE
        rng = random.Random(f"{chain.seed} {num_tokens}")
        answer = self.question.draw(rng.randrange(FULL_SEEDS)).answer
        return answer, NOT_SURE if rng.random() < self.manner.unsure_share else SURE


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of thought, from its seed: it ends with the answer of ``sample``, which probes give from ``settles_at``
    tokens on."""

    seed: int
    sample: Sample
    num_tokens: int
    settles_at: float

    def pieces(self) -> Iterator[Piece]:
        name = f"{self.seed:08x}"
        for end in range(TELLS_EVERY, self.num_tokens, TELLS_EVERY):
            yield Piece(f"{name}.", end)
            name = ""
        yield Piece(f"{name}{END_THINK}\n\n{said(self.sample)}", self.num_tokens + ANSWER_TOKENS)


def said(sample: Sample) -> str:
    """The answer of a solution, with its reward if one was recorded."""
    reward = "" if sample.reward is None else f" reward {sample.reward:.6f}"
    return (NO_ANSWER if sample.answer is None else f"\\boxed{{{sample.answer}}}") + reward


class QuestionAuthor:
    """Writes for all programs at work. One for all replicas."""

    def __init__(self) -> None:
        self._writers: dict[str, Writer] = {}

    def begins(
        self, program_id: str, question: SimulatedQuestion, manner: Manner | None = None, style: Style = PLAIN
    ) -> Question:
        """A program begins to work on ``question``; what it is given to work on, as long as it is said to be.

        InputError for one that is scored where nobody knows what is right.
        """
        if (style.words or style.step_end) and question.right is None:
            raise InputError(f"{question.key}: nobody marked what is right, which steps and scores are modelled by")
        self._writers[program_id] = Writer(question, manner or Manner(), style)
        key = str(question.key)
        return Question.of_text(key.ljust(CHARS_PER_TOKEN * question.prompt_tokens), key)

    def ends(self, program_id: str) -> None:
        del self._writers[program_id]

    def reply(self, request: Request) -> Reply:
        return self._writers[request.program_id].reply(request)

    def render(self, messages: tuple[Message, ...], *, thinking: bool | None) -> str:
        return "".join(message.content for message in messages) + ASSISTANT + (f"{THINK}\n" if thinking else "")

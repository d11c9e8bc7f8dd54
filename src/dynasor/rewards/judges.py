"""Judges: a model that says in one token whether a solution is right; the reward is how probable that token was.

Both send one request a solution through the session, of which one token is produced. Most of its prompt was read
before, when the solution was written, so an engine with a prefix cache computes little of it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynasor.errors import EngineCannot, InputError
from dynasor.models import formats
from dynasor.rewards.checking import checked
from dynasor.rewards.protocol import Solution
from dynasor.vocabulary import Completion, Message, RequestKind, Sampling, TokenLogprob

if TYPE_CHECKING:
    from dynasor.programs.protocol import Session

ASKED = Sampling(temperature=0.0, max_tokens=1, top_logprobs=20, thinking=False)
"""20 alternatives are the most that vLLM and hosted APIs report."""
UNDECIDED = 0.5


class JudgeUndecided(UserWarning):
    """A judge said neither of its words."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that was trained to judge what it reads: after the solution and ``suffix`` its next token is a verdict.

    The defaults are those of the embedded model, whose judge token stands for "all of it is right so far".
    Process reward models that speak work alike: for math-shepherd-mistral-7b-prm the suffix is ``" ки"`` with the
    same two words, if it is the engine's model.

    Args:
        suffix: what asks for the verdict.
        right: the words for right, of which each counts, blanks around it apart.
        wrong: the words for wrong.
    """

    suffix: str = formats.JUDGE
    right: tuple[str, ...] = (formats.JUDGE_RIGHT,)
    wrong: tuple[str, ...] = (formats.JUDGE_WRONG,)

    needs_logprobs = False
    needs_prompt = True

    def __post_init__(self) -> None:
        check_words(self.right, self.wrong, plain)

    async def score(self, session: Session, solution: Solution) -> float:
        """P(right) / (P(right) + P(wrong)) of the next token; 0.5 if neither is among the likeliest, with a warning.

        Raises EngineCannot where the engine reports no log-probabilities, InputError for a solution without its
        prompt.
        """
        if solution.prompt is None:
            raise InputError("a judge reads the raw prompt of a solution; this program wrote it without one")
        text = solution.prompt + solution.text + self.suffix
        completion = await session.generate(text, kind=RequestKind.SCORE, sampling=ASKED)
        return verdict(completion, self.right, self.wrong, plain)


@dataclass(frozen=True, slots=True)
class YesNo:
    """Any instruct model, asked in words: the conversation goes on with the solution and a ``request``.

    A model that thinks before it speaks does not answer with its first token; this asks its chat template for the
    mode without thinking, where it has one.

    Args:
        request: what is said to the model after its solution.
        right: the words for right; case, and blanks around them, do not matter, so "Yes", " yes" and "YES" add up.
        wrong: the words for wrong.
    """

    request: str = "Is this solution correct so far? Answer Yes or No."
    right: tuple[str, ...] = ("yes",)
    wrong: tuple[str, ...] = ("no",)

    needs_logprobs = False
    needs_prompt = False

    def __post_init__(self) -> None:
        check_words(self.right, self.wrong, folded)

    async def score(self, session: Session, solution: Solution) -> float:
        """As ``Judge.score``; needs no raw prompt."""
        said = (Message("assistant", solution.text), Message("user", self.request))
        prompt = (*solution.question.messages, *said)
        completion = await session.generate(prompt, kind=RequestKind.SCORE, sampling=ASKED)
        return verdict(completion, self.right, self.wrong, folded)


Reading = Callable[[str], str]
"""How a token is read: those that read alike are one word."""


def plain(token: str) -> str:
    return token.strip()


def folded(token: str) -> str:
    return token.strip().casefold()


def check_words(right: Iterable[str], wrong: Iterable[str], reading: Reading) -> None:
    said = [{reading(word) for word in words} for words in (right, wrong)]
    for name, words in zip(("right", "wrong"), said, strict=True):
        if not words or "" in words:
            raise InputError(f"{name} is {sorted(words)}; one or more words were expected")
    for word in said[0] & said[1]:
        raise InputError(f"{word!r} cannot stand for right and for wrong")


def verdict(completion: Completion, right: Iterable[str], wrong: Iterable[str], reading: Reading) -> float:
    """P(right) / (P(right) + P(wrong)) of the one token of ``completion``, over all its spellings."""
    if not completion.logprobs:
        raise EngineCannot("the engine reports no log-probabilities, by which a judge's word is weighed")
    probabilities = spelled(completion.logprobs[0], reading)
    for_right, for_wrong = (
        sum(probabilities.get(word, 0.0) for word in {reading(word) for word in words}) for words in (right, wrong)
    )
    if for_right + for_wrong > 0:
        return checked(for_right / (for_right + for_wrong), "the judge")
    likeliest = ", ".join(map(repr, sorted(probabilities, key=lambda word: -probabilities[word])[:3]))
    warnings.warn(
        f"a judge said neither {' or '.join(right)} nor {' or '.join(wrong)} but most likely {likeliest}; "
        f"its reward is {UNDECIDED} then, which tells nothing",
        JudgeUndecided,
        stacklevel=3,
    )
    return UNDECIDED


def spelled(token: TokenLogprob, reading: Reading) -> dict[str, float]:
    """The probability of each word that the token might have been."""
    words: dict[str, float] = {}
    for text, logprob in {token.token: token.logprob, **token.top}.items():
        word = reading(text)
        words[word] = words.get(word, 0.0) + math.exp(logprob)
    return words

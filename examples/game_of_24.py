"""Game of 24 by tree of thoughts (Yao et al., arXiv 2305.10601), as a best-first search.

Four numbers, each used once, are to make 24. A thought joins two of them into one. The model proposes thoughts and
judges what is left; the most promising state goes on. A unit of the knob is one state looked at. It takes a model that
can play the game; the embedded one cannot.

    dynasor solve "4 9 10 13" --engine http://127.0.0.1:8000 --program examples.game_of_24:GameOf24 --max-samples 20
"""

from __future__ import annotations

import heapq
import itertools
import re
from dataclasses import dataclass
from fractions import Fraction

from dynasor import Answer, Certaindex, Session
from dynasor.vocabulary import Message, RequestKind

TARGET = Fraction(24)
WORTH = {"sure": 1.0, "likely": 0.5, "impossible": 0.0}
THOUGHT = re.compile(r"^\s*(-?\d+(?:/\d+)?) ([-+*/]) (-?\d+(?:/\d+)?) = (-?\d+(?:/\d+)?)", re.MULTILINE)

PROPOSE = "Numbers left: {left}. Join two of them by + - * or /. Write each way on a line of its own, as in: 4 * 6 = 24"
JUDGE = "Numbers left: {left}. Can they make 24, each used once? Answer with one word: sure, likely or impossible."


@dataclass(frozen=True, slots=True)
class State:
    """The numbers left, and the steps that led here."""

    left: tuple[Fraction, ...]
    steps: tuple[str, ...] = ()

    @property
    def is_solved(self) -> bool:
        return self.left == (TARGET,)

    def __str__(self) -> str:
        return " ".join(map(str, self.left))


class GameOf24:
    """Look at the most promising state, of several the one with fewest numbers left; propose, judge, go on."""

    async def execute(self, session: Session) -> Answer:
        order = itertools.count()
        first = State(tuple(Fraction(number) for number in session.question.messages[-1].content.split()))
        frontier = [(0.0, len(first.left), next(order), first)]
        seen = {first.left}
        while frontier and session.grant(most=1):
            *_, state = heapq.heappop(frontier)
            for following in await propose(session, state):
                if following.is_solved:
                    return Answer("24", settled(1.0), solution="\n".join(following.steps))
                if len(following.left) > 1 and following.left not in seen:
                    seen.add(following.left)
                    value = await judge(session, following)
                    heapq.heappush(frontier, (-value, len(following.left), next(order), following))
            session.observe(settled(0.0))
        return Answer(None, settled(0.0))


async def propose(session: Session, state: State) -> list[State]:
    """The states that the model's proposals lead to. One that is wrong, or uses what is not there, is dropped."""
    reply = await session.generate((Message("user", PROPOSE.format(left=state)),))
    found = (state_after(state, *match.groups()) for match in THOUGHT.finditer(reply.text))
    return [following for following in found if following is not None]


def state_after(state: State, first: str, operator: str, second: str, result: str) -> State | None:
    left = list(state.left)
    for number in (Fraction(first), Fraction(second)):
        if number not in left:
            return None
        left.remove(number)
    if computed(Fraction(first), operator, Fraction(second)) != Fraction(result):
        return None
    step = f"{first} {operator} {second} = {result}"
    return State(tuple(sorted((*left, Fraction(result)))), (*state.steps, step))


def computed(first: Fraction, operator: str, second: Fraction) -> Fraction | None:
    if operator == "/":
        return first / second if second else None
    return {"+": first + second, "-": first - second, "*": first * second}[operator]


async def judge(session: Session, state: State) -> float:
    """What the model thinks of a state, from 0 to 1; 0 where it does not say."""
    prompt = (Message("user", JUDGE.format(left=state)),)
    reply = await session.generate(prompt, kind=RequestKind.SCORE)
    words = reply.text.strip().lower().split()
    return WORTH.get(words[0].strip(".,:"), 0.0) if words else 0.0


def settled(value: float) -> Certaindex:
    return Certaindex(value, {"agreement": value})

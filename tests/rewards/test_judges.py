"""Judges: the probability of one token, on scripted tokens and on the embedded model's own."""

from __future__ import annotations

import math
import warnings

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, Session, open_engine
from dynasor.errors import EngineCannot, InputError
from dynasor.rewards import Judge, JudgeUndecided, Solution, YesNo
from dynasor.vocabulary import Answer, Message, RequestKind
from tests.rewards.scripted_session import ScriptedSession

QUESTION = Question.of_text("What is 1+1?")
SOLUTION = Solution(QUESTION, ("1 and 1\n", "is 2."), prompt="<user>What is 1+1?<assistant>")


def tops(**probabilities: float) -> dict[str, float]:
    return {token: math.log(probability) for token, probability in probabilities.items()}


async def test_the_judge_token_is_asked_after_the_whole_solution() -> None:
    session = ScriptedSession({"+": math.log(0.6), "-": math.log(0.2), "x": math.log(0.2)})
    assert await Judge().score(session.as_session, SOLUTION) == pytest.approx(0.75)
    (asked,) = session.asked
    assert asked.prompt == "<user>What is 1+1?<assistant>1 and 1\nis 2.<|judge|>"
    assert asked.kind is RequestKind.SCORE
    assert asked.sampling is not None
    assert (asked.sampling.max_tokens, asked.sampling.temperature, asked.sampling.top_logprobs) == (1, 0.0, 20)


async def test_words_of_ones_own() -> None:
    session = ScriptedSession({" good": math.log(0.3), "fine": math.log(0.3), "bad": math.log(0.2)})
    judge = Judge(suffix=" ки", right=("good", "fine"), wrong=("bad",))
    assert await judge.score(session.as_session, SOLUTION) == pytest.approx(0.75)
    assert str(session.asked[0].prompt).endswith("is 2. ки")


async def test_any_model_is_asked_in_words_and_all_spellings_count() -> None:
    probabilities = tops(Yes=0.2, yes=0.1, YES=0.1, No=0.1, Maybe=0.5)
    session = ScriptedSession(probabilities | {" Yes": math.log(0.05), " no": math.log(0.05)})
    assert await YesNo().score(session.as_session, SOLUTION) == pytest.approx(0.45 / 0.6)
    assert session.asked[0].prompt == (
        *QUESTION.messages,
        Message("assistant", "1 and 1\nis 2."),
        Message("user", "Is this solution correct so far? Answer Yes or No."),
    )
    assert session.asked[0].sampling is not None and session.asked[0].sampling.thinking is False


async def test_only_one_of_the_two_words_is_enough() -> None:
    assert await YesNo().score(ScriptedSession(tops(yes=0.01)).as_session, SOLUTION) == 1.0
    assert await YesNo().score(ScriptedSession(tops(no=0.01)).as_session, SOLUTION) == 0.0


async def test_a_judge_that_says_neither_is_undecided_and_that_is_told() -> None:
    session = ScriptedSession(tops(Okay=0.9, Let=0.1))
    with pytest.warns(JudgeUndecided, match="neither yes nor no but most likely 'okay', 'let'"):
        assert await YesNo().score(session.as_session, SOLUTION) == 0.5


@pytest.mark.parametrize("judge", [Judge(), YesNo()])
async def test_an_engine_without_log_probabilities_is_told(judge: Judge | YesNo) -> None:
    with pytest.raises(EngineCannot, match="reports no log-probabilities"):
        await judge.score(ScriptedSession().as_session, SOLUTION)


async def test_a_solution_without_its_prompt_cannot_be_judged() -> None:
    with pytest.raises(InputError, match="reads the raw prompt"):
        await Judge().score(ScriptedSession().as_session, Solution(QUESTION, ("2",)))


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ((), ("no",), r"right is \[\]; one or more words were expected"),
        (("yes",), (" ",), r"wrong is \[''\]; one or more words were expected"),
        (("Yes",), ("yes ",), "'yes' cannot stand for right and for wrong"),
    ],
)
def test_words_that_cannot_be_used(right: tuple[str, ...], wrong: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        YesNo(right=right, wrong=wrong)


class JudgesTwo:
    """Judges what the model wrote, and a line that it would not write."""

    def __init__(self) -> None:
        self.scores: list[float] = []

    async def execute(self, session: Session) -> Answer:
        prompt = await session.render()
        written = (await session.generate(prompt)).text
        for text in (written, "7*12=99\n"):
            self.scores.append(await Judge().score(session, Solution(session.question, (text,), prompt)))
        return session.votes().answer()


async def test_the_embedded_model_has_a_judge_token() -> None:
    question = Question.of_text("A shop has 7 boxes of 12 pens. How many pens are there?")
    program = JudgesTwo()
    async with open_engine("embedded", slots=2) as engine, AnswerReader() as reader:
        with warnings.catch_warnings(action="error"):
            answer = await Runtime(engine, reader).run(question, program, Fixed(), Options(max_samples=1))
    right, wrong = program.scores
    assert right > 0.8 > 0.2 > wrong
    assert answer.usage.score == 2
    assert answer.usage.score_prompt > 2 * answer.usage.main

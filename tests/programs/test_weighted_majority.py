"""Weighted majority through the whole runtime."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor import Agreement, AnswerReader, Fixed, Options, Question, Runtime, Sampling, SelfConsistency, open_engine
from dynasor.programs import Program
from dynasor.programs.weighted_majority import WeightedMajority
from dynasor.rewards import Likelihood
from dynasor.scheduling import Allocator
from dynasor.vocabulary import Answer, StopReason
from tests.in_process_engine import InProcessEngine, Script, says
from tests.programs.scripted_reward import ScriptedReward

QUESTION = Question.of_text("How many?", "q")


async def solve(script: Script, program: Program, allocator: Allocator, max_samples: int) -> Answer:
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        return await Runtime(engine, reader).run(QUESTION, program, allocator, Options(max_samples=max_samples))


async def test_few_good_samples_outweigh_many_bad_ones() -> None:
    program = WeightedMajority(ScriptedReward({"{1}": 0.2, "{2}": 0.5}))
    answer = await solve(says("1", "2", "1", "2", "1"), program, Fixed(), 5)
    assert answer.text == "2"


async def test_but_enough_bad_ones_do_outweigh_them() -> None:
    program = WeightedMajority(ScriptedReward({"{1}": 0.2, "{2}": 0.5}))
    answer = await solve(says("1", "2", "1", "1", "1"), program, Fixed(), 5)
    assert answer.text == "1"


async def test_the_chain_that_is_shown_is_the_best_of_its_answer() -> None:
    program = WeightedMajority(ScriptedReward({"1/2": 0.9, "0.5": 0.3}))
    answer = await solve(says("0.5", "1/2"), program, Fixed(), 2)
    assert (answer.text, answer.solution) == ("0.5", "The answer is \\boxed{1/2}.")


async def test_agreement_stops_it_early() -> None:
    answer = await solve(says("1"), WeightedMajority(ScriptedReward({"{1}": 0.7})), Agreement(), 16)
    assert answer.stop_reason is StopReason.CERTAIN
    assert answer.num_samples < 8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
async def test_equal_rewards_make_it_the_plain_majority(seed: int, samples: int) -> None:
    draw = random.Random(seed)
    script = says(*(draw.choice(["1", "2", "3", None]) for _ in range(samples)))
    weighted = await solve(script, WeightedMajority(ScriptedReward({"box": 0.25})), Fixed(), samples)
    plain = await solve(script, SelfConsistency(), Fixed(), samples)
    assert (weighted.text, weighted.solution) == (plain.text, plain.solution)


async def test_on_the_embedded_model() -> None:
    question = Question.of_text("A shop has 47 boxes of 56 pens. How many pens are there?", reference="2632")
    async with open_engine("embedded", slots=4) as engine, AnswerReader() as reader:
        options = Options(max_samples=4, sampling=Sampling(temperature=1.0, max_tokens=200))
        answer = await Runtime(engine, reader).run(question, WeightedMajority(Likelihood("mean")), Fixed(), options)
    assert answer.text == "2632"
    assert answer.usage.score == answer.usage.score_prompt == 0
    assert answer.certaindex.signals["reward"] == pytest.approx(
        sum(branch.reward or 0.0 for branch in answer.branches) / 4
    )

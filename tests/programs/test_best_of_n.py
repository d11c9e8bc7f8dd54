"""Best of n through the whole runtime."""

from __future__ import annotations

import pytest

from dynasor import Agreement, AnswerReader, Fixed, Options, Question, Runtime, Sampling, Threshold, open_engine
from dynasor.errors import EngineCannot, EngineFailed, EngineTimeout, ProgramFailed
from dynasor.events import CertaindexMeasured, Event
from dynasor.programs import Session
from dynasor.programs.best_of_n import BestOfN
from dynasor.rewards import Judge, Likelihood, Reward, Solution
from dynasor.scheduling import Allocator
from dynasor.vocabulary import Answer, Request, RequestKind, StopReason
from tests.in_process_engine import InProcessEngine, Reply, Script, says
from tests.programs.scripted_reward import ScriptedReward

QUESTION = Question.of_text("How many?", "q")


async def solve(
    script: Script, reward: Reward, allocator: Allocator, *, max_samples: int = 4, events: list[Event] | None = None
) -> tuple[Answer, InProcessEngine]:
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        listener = (lambda event: None) if events is None else events.append
        runtime = Runtime(engine, reader, listener=listener)
        answer = await runtime.run(QUESTION, BestOfN(reward), allocator, Options(max_samples=max_samples))
        assert not runtime.dispatcher.scheduler.running
        assert answer.usage.produced == engine.produced
        return answer, engine


async def test_the_best_sample_wins_against_the_majority() -> None:
    reward = ScriptedReward({"{1}": 0.4, "{2}": 0.9})
    answer, _ = await solve(says("1", "2", "1", "1"), reward, Fixed())
    assert answer.text == "2"
    assert answer.solution == "The answer is \\boxed{2}."
    assert [(branch.answer, branch.reward) for branch in answer.branches] == [
        ("1", 0.4),
        ("2", 0.9),
        ("1", 0.4),
        ("1", 0.4),
    ]
    assert answer.certaindex.signals["reward"] == pytest.approx((0.4 * 3 + 0.9) / 4)


async def test_of_equal_rewards_the_earlier_wins() -> None:
    answer, _ = await solve(says("1", "2"), ScriptedReward({"box": 0.5}), Fixed(), max_samples=2)
    assert answer.text == "1"


async def test_a_sample_without_an_answer_is_not_scored_and_worth_nothing() -> None:
    reward = ScriptedReward({"box": 0.0})
    answer, _ = await solve(says(None, "3"), reward, Fixed(), max_samples=2)
    assert answer.text == "3"
    assert len(reward.scored) == 1
    assert [branch.reward for branch in answer.branches] == [0.0, 0.0]


async def test_no_answer_at_all() -> None:
    answer, _ = await solve(says(None), ScriptedReward({}), Fixed())
    assert (answer.text, answer.certaindex.value, answer.certaindex.signals["reward"]) == (None, 0.0, 0.0)


async def test_the_reward_can_stop_it() -> None:
    """A threshold on the mean reward, as the paper's for MCTS on ASDiv."""
    answer, _ = await solve(
        says("1"), ScriptedReward({"box": 0.4}), Threshold({"reward": 0.4}, detect_at=3), max_samples=10
    )
    assert (answer.num_samples, answer.stop_reason) == (3, StopReason.CERTAIN)
    answer, _ = await solve(
        says("1"), ScriptedReward({"box": 0.39}), Threshold({"reward": 0.4}, detect_at=3), max_samples=10
    )
    assert (answer.num_samples, answer.stop_reason) == (10, StopReason.CAP)


async def test_the_certaindex_is_measured_after_every_sample() -> None:
    events: list[Event] = []
    await solve(says("1"), ScriptedReward({"box": 0.5}), Fixed(), events=events)
    measured = [event for event in events if isinstance(event, CertaindexMeasured)]
    assert [event.finished for event in measured] == [1, 2, 3, 4]
    values = [event.certaindex.value for event in measured]
    assert values == sorted(values)
    assert values[-1] == 1.0


async def test_log_probabilities_are_asked_for_only_if_read() -> None:
    for needs in (False, True):
        reward = ScriptedReward({"box": 0.5}, needs_logprobs=needs)
        _, engine = await solve(says("1"), reward, Fixed())
        assert {request.sampling.top_logprobs for request in engine.requests} == {0 if needs else None}


async def test_the_prompt_is_rendered_only_if_read() -> None:
    reward = ScriptedReward({"box": 0.5}, needs_prompt=True)
    _, engine = await solve(says("1"), reward, Fixed())
    assert {request.prompt for request in engine.requests} == {"<user>How many?<assistant>"}
    assert {solution.prompt for solution in reward.scored} == {"<user>How many?<assistant>"}
    reward = ScriptedReward({"box": 0.5})
    _, engine = await solve(says("1"), reward, Fixed())
    assert {request.prompt for request in engine.requests} == {QUESTION.messages}
    assert {solution.prompt for solution in reward.scored} == {None}


async def test_samples_are_scored_while_others_are_written() -> None:
    """Four scores of 50 ms each, one after the other, would take 200 ms."""
    reward = ScriptedReward({"box": 0.5}, takes_s=0.05)
    answer, _ = await solve(says("1"), reward, Fixed())
    assert answer.duration_s < 0.15


async def test_requests_of_the_reward_are_counted_as_its_own() -> None:
    class Asks:
        needs_logprobs = False
        needs_prompt = False

        async def score(self, session: Session, solution: Solution) -> float:
            await session.generate(solution.text, kind=RequestKind.SCORE)
            session.count_scored(100)
            return 0.5

    def script(request: Request) -> Reply:
        return Reply("fine", 1) if request.kind is RequestKind.SCORE else Reply("\\boxed{1}", 5)

    answer, _ = await solve(script, Asks(), Fixed(), max_samples=3)
    assert (answer.usage.main, answer.usage.score) == (15, 3)
    assert (answer.usage.prompt, answer.usage.score_prompt) == (21, 3 * 7 + 300)
    assert answer.usage.produced == 18


async def test_a_certain_question_leaves_nothing_behind() -> None:
    """Stopped in the middle of a wave: what is still written or scored is cancelled."""

    def script(request: Request) -> Reply:
        return Reply("\\boxed{1}", num_tokens=3 if int(request.id.rsplit("-", 1)[1]) < 5 else 500)

    reward = ScriptedReward({"box": 0.5}, takes_s=0.01)
    answer, engine = await solve(script, reward, Agreement(max_change=0.3), max_samples=16)
    assert answer.stop_reason is StopReason.CERTAIN
    assert answer.num_samples < 16
    assert not engine.live


@pytest.mark.parametrize("error", [EngineTimeout("the judge sleeps"), EngineFailed("the judge says nan")])
async def test_a_reward_that_fails_fails_the_program(error: Exception) -> None:
    class Fails:
        needs_logprobs = False
        needs_prompt = False

        async def score(self, session: Session, solution: Solution) -> float:
            raise error

    with pytest.raises(ProgramFailed, match=f"question 'q' failed: {error}"):
        await solve(says("1"), Fails(), Fixed())


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.5])
async def test_what_is_no_reward_is_not_believed(score: float) -> None:
    with pytest.raises(ProgramFailed, match=f"the reward says {score}; a number from 0 to 1 was expected"):
        await solve(says("1"), ScriptedReward({"box": score}), Fixed())


async def test_an_engine_that_cannot_serve_the_reward_is_told() -> None:
    with pytest.raises(ProgramFailed, match="reports no log-probabilities") as raised:
        await solve(says("1"), Likelihood(), Fixed())
    assert isinstance(raised.value.__cause__, EngineCannot)


@pytest.mark.parametrize("reward", [Likelihood(), Judge()])
async def test_on_the_embedded_model(reward: Reward) -> None:
    question = Question.of_text("A shop has 7 boxes of 12 pens. How many pens are there?", reference="84")
    async with open_engine("embedded", slots=4) as engine, AnswerReader() as reader:
        options = Options(max_samples=4, sampling=Sampling(temperature=1.0, max_tokens=200))
        answer = await Runtime(engine, reader).run(question, BestOfN(reward), Fixed(), options)
    assert answer.text == "84"
    assert all(branch.reward is not None and branch.reward > 0 for branch in answer.branches)
    assert answer.usage.score == (4 if isinstance(reward, Judge) else 0)

"""Samples with a reward each: what programs that sample and score have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.rewards import Reward, Solution
from dynasor.rewards.checking import checked
from dynasor.vocabulary import Completion


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """A whole solution, its answer (None: it has none) and its reward, 0 without an answer."""

    completion: Completion
    answer: ReadAnswer | None
    reward: float


async def scored_sampling(session: Session, reward: Reward) -> Callable[[Session], Awaitable[ScoredSample]]:
    """The work of a unit of the knob: one sample of the question, which is scored as soon as it is finished.

    A sample without an answer is not scored, for nothing can come of it.
    """
    prompt = await session.render() if reward.needs_prompt else None
    sampling = replace(session.sampling, top_logprobs=0) if reward.needs_logprobs else session.sampling

    async def sample(session: Session) -> ScoredSample:
        completion = await session.generate(prompt or session.question.messages, sampling=sampling)
        answer = await session.read_answer(completion)
        if answer is None:
            return ScoredSample(completion, None, 0.0)
        solution = Solution(session.question, (completion.text,), prompt, completion.logprobs)
        return ScoredSample(completion, answer, checked(await reward.score(session, solution)))

    return sample

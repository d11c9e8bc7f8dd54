"""From what a user writes to a reward."""

from __future__ import annotations

from typing import Any

import pytest

from dynasor.errors import EngineUnreachable, InputError
from dynasor.rewards import Function, Judge, Likelihood, Solution, YesNo, entered, open_reward
from dynasor.rewards.endpoint import ScoringEndpoint


def short(text: str) -> float:
    return 1 / (1 + len(text))


class Constant:
    """A reward of a user's own."""

    needs_logprobs = False
    needs_prompt = False

    async def score(self, session: Any, solution: Solution) -> float:
        return 0.5


class Silent:
    async def score(self, session: Any, solution: Solution) -> float:
        return 0.5


INSTANCE = Constant()
NUMBER = 7
HERE = __name__


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("judge", Judge()),
        ("judge:suffix= ки,right=good,wrong=bad", Judge(" ки", ("good",), ("bad",))),
        ("yes-no", YesNo()),
        ("likelihood", Likelihood()),
        ("likelihood:form=min", Likelihood("min")),
        (f"{HERE}:short", Function(short, f"{HERE}:short")),
        (f"{HERE}:INSTANCE", INSTANCE),
    ],
)
def test_names_and_ones_own(spec: str, expected: object) -> None:
    assert open_reward(spec) == expected


def test_a_class_of_ones_own() -> None:
    assert isinstance(open_reward(f"{HERE}:Constant"), Constant)


@pytest.mark.parametrize(
    ("spec", "url", "kind", "aggregation"),
    [
        ("http://host:8002", "http://host:8002/pooling", "pooling", "last"),
        ("http://host:8002/v1", "http://host:8002/pooling", "pooling", "last"),
        ("https://host/pooling?aggregation=min", "https://host/pooling", "pooling", "min"),
        ("http://host/prefix/classify", "http://host/prefix/classify", "classify", "last"),
        ("http://host/v1/score", "http://host/score", "score", "last"),
        ("http://host?kind=classify&positive=0", "http://host/classify", "classify", "last"),
    ],
)
def test_addresses(spec: str, url: str, kind: str, aggregation: str) -> None:
    reward = open_reward(spec)
    assert isinstance(reward, ScoringEndpoint)
    assert (reward.url, reward.scoring.kind, reward.scoring.aggregation) == (url, kind, aggregation)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("magic", "there is no reward 'magic'; choose judge, yes-no, likelihood, the URL of a reward model"),
        ("", "there is no reward ''; choose"),
        ("likelihood:form=median", "form of the reward likelihood is 'median'; mean or product or min was expected"),
        ("likelihood:from=mean", "the reward likelihood has no parameter 'from'; it takes form="),
        ("likelihood:mean", "the reward likelihood is 'mean'; name=value was expected"),
        ("likelihood:form=min,form=mean", "the reward likelihood gives form twice"),
        ("nowhere:reward", "the reward 'nowhere:reward' cannot be loaded: No module named 'nowhere'"),
        (f"{HERE}:nothing", f"the reward '{HERE}:nothing' cannot be loaded: module"),
        (f"{HERE}:NUMBER", f"the reward '{HERE}:NUMBER' is neither a function nor"),
        (f"{HERE}:Silent", f"the reward '{HERE}:Silent' does not say whether it needs_logprobs"),
        (
            "http://host/pooling?max=1",
            "the reward at http://host/pooling has no parameter 'max'; it takes kind=pooling",
        ),
        ("http://host/pooling?positive=x", "positive of the reward at http://host/pooling is 'x'; a whole number"),
        ("http://host/pooling?kind=score", "is the endpoint for pooling, not for score"),
        ("http://", "engine address 'http://' cannot be used"),
        ("http://user:word@host", "carries credentials"),
    ],
)
def test_what_cannot_be_opened(spec: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        open_reward(spec)
    assert message in str(raised.value)


async def test_a_reward_without_connections_is_entered_all_the_same() -> None:
    async with entered(Likelihood()), entered(None):
        pass


async def test_an_endpoint_is_connected_while_entered() -> None:
    with pytest.raises(EngineUnreachable):
        async with entered(ScoringEndpoint("http://127.0.0.1:9", max_attempts=1)):
            raise AssertionError("not reached")

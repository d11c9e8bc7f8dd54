"""Reward models on real vLLM: random ones, whose scoring endpoints speak as the trained ones' do."""

from __future__ import annotations

import json
import os
import random
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.vllm_server import START_TIMEOUT_S, vllm_server
from dynasor.errors import EngineFailed, EngineRejected
from dynasor.models.formats import PAD
from dynasor.rewards import Solution
from dynasor.rewards.endpoint import AGGREGATIONS, Scoring, ScoringEndpoint
from dynasor.vocabulary import Question
from tests.engines.tiny_model import HIDDEN, LAYERS, SPECIAL, Tensor, random_weights, write_huggingface
from tests.rewards.scripted_session import ScriptedSession

PYTHON = os.environ.get("DYNASOR_VLLM_PYTHON", "")
STEP_TOKEN = PAD
"""Any token will do whose id the server is told."""
POOLING = ("--runner", "pooling", "--enforce-eager")
SOLUTION = Solution(Question.of_text("What is 1+1?"), ("First one.\n\nThen one.\n\n", "So 2."))

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(START_TIMEOUT_S + 120),
    pytest.mark.skipif(not PYTHON, reason="DYNASOR_VLLM_PYTHON is not set"),
]


def write_process_reward_model(folder: Path) -> Path:
    """A random model of the kind of Qwen2.5-Math-PRM: at each token two classes, wrong and right."""
    draw = random.Random(1)
    weights = {name: tensor for name, tensor in random_weights().items() if name != "lm_head.weight"}
    for layer in range(LAYERS):
        for name in ("q_proj", "k_proj", "v_proj"):
            weights[f"model.layers.{layer}.self_attn.{name}.bias"] = Tensor((HIDDEN,), array("f", [0.0] * HIDDEN))
    for name, rows in (("score.0", HIDDEN), ("score.2", 2)):
        values = array("f", (draw.gauss(0, HIDDEN**-0.5) for _ in range(rows * HIDDEN)))
        weights[f"{name}.weight"] = Tensor((rows, HIDDEN), values)
        weights[f"{name}.bias"] = Tensor((rows,), array("f", [0.0] * rows))
    write_huggingface(folder, weights)
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["Qwen2ForProcessRewardModel"], "model_type": "qwen2"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def process_reward_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_process_reward_model(tmp_path_factory.mktemp("models") / "prm")
    pooler = json.dumps({"pooling_type": "STEP", "step_tag_id": SPECIAL.index(STEP_TOKEN)})
    with vllm_server(PYTHON, folder, folder.with_name("prm.log"), *POOLING, "--pooler-config", pooler) as url:
        yield url


async def score(url: str, scoring: Scoring) -> tuple[float, ScriptedSession]:
    session = ScriptedSession()
    async with ScoringEndpoint(url, scoring) as reward:
        return await reward.score(session.as_session, SOLUTION), session


async def test_a_process_reward_model_scores_every_step(process_reward_url: str) -> None:
    scores = {}
    for aggregation in AGGREGATIONS:
        scoring = Scoring(step_token=STEP_TOKEN, aggregation=aggregation)
        scores[aggregation], session = await score(process_reward_url, scoring)
        assert 0 < scores[aggregation] < 1
        assert session.scored > len(SOLUTION.text) / 2, "this tokenizer has little more than letters"
    assert scores["product"] < scores["min"] <= scores["last"]
    assert scores["min"] < scores["mean"]


async def test_the_class_for_wrong_is_the_rest(process_reward_url: str) -> None:
    right, _ = await score(process_reward_url, Scoring(step_token=STEP_TOKEN))
    wrong, _ = await score(process_reward_url, Scoring(step_token=STEP_TOKEN, positive=0))
    assert right + wrong == pytest.approx(1, abs=1e-5)


async def test_another_step_token_than_the_servers_is_told(process_reward_url: str) -> None:
    with pytest.raises(EngineFailed, match="its answer has no rewards"):
        await score(process_reward_url, Scoring(step_token=" so "))


async def test_a_kind_that_the_model_is_not_is_told(process_reward_url: str) -> None:
    with pytest.raises(EngineRejected, match="HTTP 4"):
        await score(process_reward_url, Scoring(kind="classify"))


async def test_a_classifier_scores_the_whole(tmp_path: Path) -> None:
    """The random Llama that tests of engines use, made a classifier with one class, answers both other endpoints."""
    head = Tensor((1, HIDDEN), array("f", [0.01] * HIDDEN))
    folder = write_huggingface(tmp_path / "tiny", {**random_weights(), "score.weight": head})
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["LlamaForSequenceClassification"], "num_labels": 1}
    (folder / "config.json").write_text(json.dumps(config))
    with vllm_server(PYTHON, folder, tmp_path / "vllm.log", *POOLING) as url:
        for kind in ("classify", "score"):
            reward, session = await score(f"{url}/{kind}", Scoring(kind=kind))
            assert 0 < reward < 1
            assert session.scored > len(SOLUTION.text) / 2

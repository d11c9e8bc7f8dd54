"""its_hub's self-consistency on questions from standard input, in an environment that has its_hub (and not us).

    python its_hub_votes.py adaptive --url http://127.0.0.1:8000/v1 --model hf < questions.jsonl

Writes one JSON object: the ``seconds`` it took, its_hub's ``version``, and for each question the chosen ``text``, the
``tokens`` that the server told of, the ``requests`` that were sent, and how many of them were ``cancelled``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from importlib.metadata import version
from typing import Any

from its_hub import (
    AdaptiveSelfConsistency,
    BetaSelfConsistency,
    LMOrchestrator,
    OpenAICompatibleLanguageModel,
    SelfConsistency,
)
from its_hub.core.algorithms.self_consistency import create_regex_projection_function

ALGORITHMS = {"fixed": SelfConsistency, "adaptive": AdaptiveSelfConsistency, "beta": BetaSelfConsistency}
BOXED = r"\\boxed\{([^}]+)\}"
"""What is voted on, as its documentation has it."""


class Counted:
    """A model that waits for a free place among ``places``, and counts what it was asked.

    its_hub has a limit of its own, whose places are lost when a request that waits for one is cancelled.
    """

    def __init__(self, model: Any, places: asyncio.Semaphore) -> None:
        self.requests = 0
        self._model = model
        self._places = places

    async def agenerate_single(self, *given: Any, **named: Any) -> Any:
        async with self._places:
            self.requests += 1
            return await self._model.agenerate_single(*given, **named)


async def answer(algorithm: Any, model: Any, places: asyncio.Semaphore, line: dict[str, str], budget: int) -> Any:
    counted = Counted(model, places)
    result = await algorithm.ainfer(counted, line["question"], budget=budget, return_response_only=False)
    return {
        "id": line["id"],
        "text": result.the_one["content"],
        "tokens": result.usage.completion_tokens,
        "requests": counted.requests,
        "cancelled": counted.requests - result.usage.num_calls,
    }


async def answer_all(given: argparse.Namespace, lines: list[dict[str, str]]) -> dict[str, Any]:
    places = asyncio.Semaphore(given.at_once)
    algorithm = ALGORITHMS[given.algorithm](
        consistency_space_projection_func=create_regex_projection_function(BOXED),
        orchestrator=LMOrchestrator(max_concurrency=-1),
    )
    model = OpenAICompatibleLanguageModel(
        endpoint=given.url,
        api_key="none",
        model_name=given.model,
        temperature=given.temperature,
        max_completion_tokens=given.max_tokens,
    )
    began = time.monotonic()
    async with model:
        answers = await asyncio.gather(*(answer(algorithm, model, places, line, given.budget) for line in lines))
    return {"seconds": time.monotonic() - began, "version": version("its_hub"), "answers": answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithm", choices=tuple(ALGORITHMS))
    parser.add_argument("--url", required=True, help="with /v1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--budget", type=int, default=16, help="samples a question at most")
    parser.add_argument("--at-once", type=int, default=32, help="requests")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0, help="of the choice among equal answers")
    given = parser.parse_args()
    random.seed(given.seed)
    json.dump(asyncio.run(answer_all(given, [json.loads(line) for line in sys.stdin])), sys.stdout)


if __name__ == "__main__":
    main()

"""A server that answers at once what a model and a reward model would: ``python stand_in.py PORT``.

Chat completions give one of two answers to a question, the same one under the same seed; ``/pooling`` scores steps.
"""

from __future__ import annotations

import random
import sys

import orjson
from aiohttp import web

MODEL = "stand-in"


async def models(request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": MODEL, "owned_by": "test", "max_model_len": 4096}]})


async def chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    question = body["messages"][-1]["content"]
    ease = random.Random(question).choice((1.0, 0.97, 0.8))
    is_first = random.Random(f"{body.get('seed')} {question}").random() < ease
    text = f"The answer is \\boxed{{{len(question) if is_first else 1}}}."
    delta = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32}
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for chunk in ({"choices": [delta]}, {"choices": [], "usage": usage}):
        await response.write(b"data: " + orjson.dumps({"id": "1", "model": MODEL, **chunk}) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


async def pooling(request: web.Request) -> web.Response:
    """One row of probabilities for each step token, as docs/rewards.md shows it."""
    body = await request.json()
    steps = body["messages"][-1]["content"].count("<extra_0>")
    rows = [[0.1, 0.9]] * steps
    usage = {"prompt_tokens": 43, "total_tokens": 43, "completion_tokens": 0}
    data = [{"index": 0, "object": "pooling", "data": rows}]
    return web.json_response(
        {"id": "pool-1", "object": "list", "created": 1, "model": MODEL, "data": data, "usage": usage}
    )


def main() -> None:
    application = web.Application()
    application.router.add_get("/v1/models", models)
    application.router.add_post("/v1/chat/completions", chat)
    application.router.add_post("/pooling", pooling)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()

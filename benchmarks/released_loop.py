r"""The loop for chains that the Certaindex paper's authors released, written anew from its description.

Every ``interval`` tokens the prompt and the text so far are sent again, followed by a text that ends in an open box;
up to ``MAX_PROBE_TOKENS`` tokens are read up to the first brace that nobody opened. After ``agreeing`` probes in a row
with the same answer and no word of hesitation, the thinking is ended and the answer written in the model's place, which
takes no tokens. Chain and probe wait for each other, and every piece goes through the tokenizer again, as in the
released code.

What asks is not the authors' sentence but the one that our own probes use: the shipped model was trained on that and
answers no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.plain_client import Asking
from dynasor.answers import AnswerReader, read_prefix
from dynasor.models.formats import END_THINK, PROBE
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.probes import hesitates, is_placeholder

MAX_PROBE_TOKENS = 32
"""As in the authors' benchmark; their servers read 20."""
TEMPERATURE = 0.6
HESITATIONS = ChainOfThought().hesitations

FAULTS_FIXED = (
    "it left as soon as the latest probe had no word of hesitation, whatever the answers were",
    'words of hesitation were looked for as parts of words ("no" in "denominator") and after the closing brace too',
    "answers were compared by a grader that takes 5 for 500; now by the reader that all arms share",
    "a chain that had ended by itself, or ended its thinking, went on being probed",
    "tokens were counted by chunks and probes not at all; now by the server's own usage, all of them",
    "a chain that reached its limit answered nothing in the servers; now it gives its latest probe's answer",
)


@dataclass(frozen=True, slots=True)
class Pace:
    """So many probes in a row must agree; one after every ``interval`` tokens."""

    agreeing: int
    interval: int


def is_settled(keys: Sequence[str | None], agreeing: int) -> bool:
    """Whether the latest ``agreeing`` probes found one same answer. None: a probe that found none, or hesitated."""
    latest = set(keys[-agreeing:])
    return len(keys) >= agreeing and len(latest) == 1 and None not in latest


async def boxed_answer(asking: Asking, prompt: str, text: str) -> str | None:
    """What the model takes for the answer of a chain that has come to ``text``."""
    ask = PROBE if END_THINK not in text else PROBE.removeprefix(END_THINK)
    written = await asking.go_on(prompt + text + ask, max_tokens=MAX_PROBE_TOKENS, temperature=TEMPERATURE)
    answer = read_prefix(written.text)
    return None if answer is None or is_placeholder(answer) else answer


async def cut_chain(asking: Asking, prompt: str, max_tokens: int, reader: AnswerReader) -> str | None:
    """A token budget: one chain, asked for its answer where it is cut, unless it has ended before."""
    written = await asking.go_on(prompt, max_tokens=max_tokens, temperature=TEMPERATURE)
    if written.is_finished:
        return reader.extract(written.text.rpartition(END_THINK)[2])
    return await boxed_answer(asking, prompt, written.text)


async def released_loop(asking: Asking, prompt: str, pace: Pace, max_tokens: int, reader: AnswerReader) -> str | None:
    """The answer of one chain."""
    text, left = "", max_tokens
    keys: list[str | None] = []
    latest: str | None = None
    while left > 0:
        size = left if END_THINK in text else min(pace.interval, left)
        written = await asking.go_on(prompt + text, max_tokens=size, temperature=TEMPERATURE)
        text, left = text + written.text, left - written.num_tokens
        if written.is_finished:
            return reader.extract(text.rpartition(END_THINK)[2])
        if END_THINK in text and left > 0:
            continue
        found = await boxed_answer(asking, prompt, text)
        latest = found or latest
        is_sure = found is not None and not hesitates(found, HESITATIONS)
        keys.append(await reader.key(found) if found is not None and is_sure else None)
        if is_settled(keys, pace.agreeing):
            break
    return latest

"""The arms of ``benchmarks.rivals``: chains and votes, by a few lines over plain requests, by others, and by ours."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.plain_client import Asking, Server, open_session
from benchmarks.released_loop import Pace, cut_chain, released_loop
from dynasor.answers import AnswerReader
from dynasor.models.formats import question_prompt
from dynasor.vocabulary import JSON

AT_ONCE = 32
CHAIN_TOKENS, SAMPLE_TOKENS = 1000, 1024
SAMPLES = 16
SEEDS_PER_QUESTION, SEEDS_PER_REPETITION = 1000, 1_000_000
CHAINS, VOTES = "chains", "votes"
ITS_HUB = Path(__file__).with_name("its_hub_votes.py")


@dataclass(frozen=True, slots=True)
class Setting:
    """What every arm of a repetition is given."""

    url: str
    """The engine's, without ``/v1``."""
    model: str
    questions: Sequence[JSON]
    folder: Path
    repetition: int = 0

    @property
    def file(self) -> Path:
        return self.folder / "questions.jsonl"


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and what it took as far as the client knows."""

    answer: str | None
    tokens: int
    requests: int
    cancelled: int = 0


Answers = tuple[list[Given], float]
"""In the questions' order, and the seconds that they took."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer all questions. ``command`` says to a reader what it does."""

    name: str
    group: str
    command: str
    run: Callable[[Setting], Answers]


def asking(
    answer: Callable[[Asking, str, AnswerReader], Awaitable[str | None]], *, by_chain: bool
) -> Callable[[Setting], Answers]:
    """An arm that is a few lines over plain requests; of chains each holds its place to its end."""

    async def answer_all(setting: Setting) -> Answers:
        places = asyncio.Semaphore(AT_ONCE)
        async with open_session() as session, AnswerReader() as reader:
            server = Server(session, setting.url, setting.model, places)

            async def one(number: int, question: str) -> Given:
                seed = SEEDS_PER_REPETITION * setting.repetition + SEEDS_PER_QUESTION * number
                asked = Asking(server, seed)
                if by_chain:
                    async with places:
                        found = await answer(asked, question, reader)
                else:
                    found = await answer(asked, question, reader)
                return Given(found, asked.num_tokens, asked.num_requests)

            began = time.monotonic()
            texts = [line["question"] for line in setting.questions]
            given = await asyncio.gather(*(one(number, text) for number, text in enumerate(texts)))
            return given, time.monotonic() - began

    return lambda setting: asyncio.run(answer_all(setting))


async def majority(asked: Asking, question: str, reader: AnswerReader) -> str | None:
    """Plain self-consistency: a fixed number of samples, the first given of the most frequent answers."""

    async def sample() -> str | None:
        async with asked.server.places:
            written = await asked.chat(question, max_tokens=SAMPLE_TOKENS, temperature=1.0)
        return reader.extract(written.text) if written.is_finished else None

    found = [answer for answer in await asyncio.gather(*(sample() for _ in range(SAMPLES))) if answer is not None]
    keys = [await reader.key(answer) for answer in found]
    return max(found, key=lambda answer: keys.count(keys[found.index(answer)]), default=None)


def budget(max_tokens: int) -> Callable[[Setting], Answers]:
    async def answer(asked: Asking, question: str, reader: AnswerReader) -> str | None:
        return await cut_chain(asked, question_prompt(question, thinking=True), max_tokens, reader)

    return asking(answer, by_chain=True)


def authors(pace: Pace) -> Callable[[Setting], Answers]:
    async def answer(asked: Asking, question: str, reader: AnswerReader) -> str | None:
        return await released_loop(asked, question_prompt(question, thinking=True), pace, CHAIN_TOKENS, reader)

    return asking(answer, by_chain=True)


def dynasor(options: str) -> Callable[[Setting], Answers]:
    """``dynasor batch`` as anybody calls it; the seconds are those that it took for the questions."""

    def run(setting: Setting) -> Answers:
        output = setting.folder / "dynasor.jsonl"
        for old in setting.folder.glob("dynasor.jsonl*"):
            old.unlink()
        command = [
            *(sys.executable, "-m", "dynasor", "batch", str(setting.file), "-o", str(output), "--json"),
            *("--engine", setting.url, "--concurrency", str(AT_ONCE), "--seed", str(setting.repetition)),
            *shlex.split(options),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        results = {line["id"]: line for line in map(orjson.loads, output.read_bytes().splitlines())}
        manifest = orjson.loads(output.with_name(output.name + ".run.json").read_bytes())
        given = [given_by_dynasor(results[line["id"]]) for line in setting.questions]
        return given, sum(manifest["elapsed_s"].values())

    return run


def given_by_dynasor(result: JSON) -> Given:
    """What it cancelled it has counted itself."""
    tokens = sum(result["usage"][kind] for kind in ("main", "probe", "score", "cancelled"))
    return Given(result["answer"], tokens, result["samples"])


def its_hub(python: Path, algorithm: str) -> Callable[[Setting], Answers]:
    def run(setting: Setting) -> Answers:
        command = [
            *(python, ITS_HUB, algorithm, "--url", f"{setting.url}/v1", "--model", setting.model),
            *("--budget", str(SAMPLES), "--at-once", str(AT_ONCE), "--max-tokens", str(SAMPLE_TOKENS)),
            *("--seed", str(setting.repetition)),
        ]
        finished = subprocess.run(
            list(map(str, command)), input=setting.file.read_bytes(), stdout=subprocess.PIPE, check=True
        )
        said = orjson.loads(finished.stdout)
        reader = AnswerReader()
        given = {
            each["id"]: Given(reader.extract(each["text"]), each["tokens"], each["requests"], each["cancelled"])
            for each in said["answers"]
        }
        return [given[line["id"]] for line in setting.questions], said["seconds"]

    return run


def arms(python: Path, budgets: Sequence[int], profile: Path | None) -> list[Arm]:
    """All that can be run here; its_hub only where it is installed."""
    chain = f"-p chain-of-thought --temperature 0.6 --max-tokens {CHAIN_TOKENS}"
    votes = f"-p self-consistency -n {SAMPLES} --temperature 1 --max-tokens {SAMPLE_TOKENS}"

    def ours(name: str, group: str, options: str) -> Arm:
        return Arm(name, group, f"dynasor batch {options}", dynasor(options))

    def theirs(name: str, algorithm: str) -> Arm:
        command = f"its_hub_votes.py {algorithm} --budget {SAMPLES}"
        return Arm(name, VOTES, command, its_hub(python, algorithm))

    def loop(agreeing: int, interval: int) -> Arm:
        what = f"released_loop, {agreeing} probes in a row, one every {interval} tokens"
        return Arm(f"authors' loop ({agreeing}, {interval})", CHAINS, what, authors(Pace(agreeing, interval)))

    def same_rule(window: int, interval: int) -> Arm:
        settings = f"--allocator stability --set window={window} --set probe_interval={interval}"
        return ours(f"Dynasor, the same rule ({window}, {interval})", CHAINS, f"{chain} {settings}")

    return [
        Arm("whole chain", CHAINS, f"one chain of at most {CHAIN_TOKENS} tokens", budget(CHAIN_TOKENS)),
        *(Arm(f"cut at {each} tokens", CHAINS, "one chain, cut and asked", budget(each)) for each in budgets),
        loop(3, 64),
        loop(2, 32),
        ours("Dynasor", CHAINS, chain),
        same_rule(3, 64),
        same_rule(2, 32),
        Arm(f"{SAMPLES} votes", VOTES, f"{SAMPLES} samples, majority", asking(majority, by_chain=False)),
        *([theirs("its_hub, adaptive", "adaptive"), theirs("its_hub, beta", "beta")] if python.exists() else []),
        ours("Dynasor", VOTES, votes),
        *([ours("Dynasor, profile", VOTES, f"{votes} --audit-share 0 --profile {profile}")] if profile else []),
    ]

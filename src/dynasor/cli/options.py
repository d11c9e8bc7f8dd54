"""Options that several verbs share, and how they become the parts of a run."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from dynasor.answers import AnswerStyle
from dynasor.engines import open_engine
from dynasor.engines.opening import is_local
from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.programs import PROGRAMS
from dynasor.scheduling import ALLOCATORS
from dynasor.vocabulary import Sampling

LOCAL_MAX_TOKENS = 1024
LOCAL_TEMPERATURE = 1.0
LARGEST_SEED = 2**63 - 1

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        "-e",
        help="URL of an OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted), a .gguf file to serve "
        "here, or `embedded`: the tiny arithmetic model that ships with dynasor.",
        envvar="DYNASOR_ENGINE",
    ),
]
ModelOption = Annotated[str | None, typer.Option(help="Model to ask for, if the engine serves several.")]
ApiKeyOption = Annotated[str | None, typer.Option(help="Key for the engine at a URL.", envvar="DYNASOR_API_KEY")]
ProgramOption = Annotated[
    str, typer.Option("--program", "-p", help=f"Reasoning program: {', '.join(PROGRAMS)}, or yours as module:Class.")
]
AllocatorOption = Annotated[
    str, typer.Option("--allocator", "-a", help=f"When to stop sampling: {', '.join(ALLOCATORS)}.")
]
MaxSamplesOption = Annotated[int, typer.Option("--max-samples", "-n", min=1, help="Most samples per question.")]
MaxChangeOption = Annotated[
    float | None,
    typer.Option(
        help="agreement: stop when the chance that more samples change the answer is at most this. [default: 0.02]"
    ),
]
ThresholdOption = Annotated[
    float | None, typer.Option(help="threshold: normalised entropy from which a question is settled. [default: 0.7]")
]
DetectAtOption = Annotated[
    int | None, typer.Option(min=1, help="threshold: after how many samples to look. [default: 5]")
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        "-t",
        help=f"Sampling temperature. [default: {LOCAL_TEMPERATURE} for local models, else the engine's]",
    ),
]
TopPOption = Annotated[float | None, typer.Option("--top-p", help="Nucleus sampling. [default: the engine's]")]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"Most tokens per sample. [default: {LOCAL_MAX_TOKENS} for local models, else the engine's]"
    ),
]
ThinkingOption = Annotated[
    bool | None,
    typer.Option("--thinking/--no-thinking", help="Ask the chat template for its long or short mode."),
]
AnswersOption = Annotated[AnswerStyle, typer.Option(help="How answers are read and compared.")]
SeedOption = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of all sampling: the same seed draws the same samples.")
]
ConcurrencyOption = Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Requests in flight at once.")]


def make_sampling(
    engine: str, *, temperature: float | None, top_p: float | None, max_tokens: int | None, thinking: bool | None
) -> Sampling:
    """The run's sampling, with bounds and a temperature for models we run ourselves, which have no defaults."""
    if temperature is not None and not 0 <= temperature < math.inf:
        raise InputError(f"--temperature is {temperature}; a number of at least 0 was expected")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"--top-p is {top_p}; a number above 0 and up to 1 was expected")
    if is_local(engine):
        temperature = LOCAL_TEMPERATURE if temperature is None else temperature
        max_tokens = max_tokens or LOCAL_MAX_TOKENS
    return Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, thinking=thinking)


def open_chosen_engine(engine: str, *, model: str | None, api_key: str | None, slots: int) -> Engine:
    """The engine of the command line. A key from the environment is for URLs; local models need none."""
    return open_engine(engine, model=model, api_key=None if is_local(engine) else api_key, slots=slots)

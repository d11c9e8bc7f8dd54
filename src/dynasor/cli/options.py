"""The options that several verbs share. Each means the same wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from dynasor.answers import AnswerStyle
from dynasor.errors import InputError
from dynasor.programs import PROGRAMS
from dynasor.rewards import REWARD_CHOICES
from dynasor.scheduling import ALLOCATORS, PRESETS

PROGRAM = "self-consistency"
ALLOCATOR = "agreement"
MAX_SAMPLES = 16
LOCAL_MAX_TOKENS = 1024
LOCAL_TEMPERATURE = 1.0
AUTO = "auto"
LARGEST_SEED = 2**63 - 1


def completing(names: Iterable[str]) -> Callable[[str], list[str]]:
    """What a shell offers for a value that is one of ``names``, or begins like one."""
    known = list(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


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
    str | None,
    typer.Option(
        "--program",
        "-p",
        help=f"Reasoning program: {', '.join(PROGRAMS)}, or yours as module:Class. [default: {PROGRAM}]",
        autocompletion=completing(PROGRAMS),
    ),
]
RewardOption = Annotated[
    str | None,
    typer.Option("--reward", "-r", metavar="REWARD", help=f"What scores solutions: {REWARD_CHOICES}."),
]
RewardApiKeyOption = Annotated[
    str | None, typer.Option(help="Key for the reward model at a URL.", envvar="DYNASOR_REWARD_API_KEY")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program; once for each."),
]
AllocatorOption = Annotated[
    str | None,
    typer.Option(
        "--allocator",
        "-a",
        help=f"When to stop sampling: {', '.join(ALLOCATORS)}; options inline, as in agreement:max_change=0.05. "
        f"[default: {ALLOCATOR}]",
        autocompletion=completing(ALLOCATORS),
    ),
]
MaxSamplesOption = Annotated[int, typer.Option("--max-samples", "-n", min=1, help="Most samples per question.")]
RunMaxSamplesOption = Annotated[
    int | None,
    typer.Option(
        "--max-samples", "-n", min=1, help=f"Most samples per question. [default: {MAX_SAMPLES}, or the profile's]"
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        help=f"Program and allocator with the paper's hyper-parameters: {', '.join(PRESETS)}.",
        autocompletion=completing(PRESETS),
    ),
]
ProfileOption = Annotated[
    Path | None, typer.Option(help="When to stop, as `dynasor calibrate` learned it for this model.")
]
AuditShareOption = Annotated[
    float | None,
    typer.Option(
        help="With --profile: share of programs that run to the cap, to see whether its promise still holds. "
        "[default: 0.02]"
    ),
]
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
TopKOption = Annotated[
    int | None, typer.Option("--top-k", min=-1, help="Draw from so many likeliest tokens. [default: the engine's]")
]
MinPOption = Annotated[
    float | None,
    typer.Option(
        "--min-p",
        help="And from those so many times as likely as the likeliest. [default: the engine's]",
    ),
]
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
ConcurrencyOption = Annotated[
    str,
    typer.Option(
        "--concurrency",
        "-c",
        metavar="INTEGER|auto",
        help=f"Requests in flight at once on each engine; `{AUTO}` finds how many it takes to keep it busy.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def check_concurrency(text: str) -> int | None:
    """What --concurrency says; None where it is left to be found. InputError for anything else."""
    if text == AUTO:
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InputError(f"--concurrency is {text!r}; a whole number of at least 1, or {AUTO}, was expected")

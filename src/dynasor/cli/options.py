"""Options that several verbs share, and how they become the parts of a run."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from dynasor.answers import AnswerStyle
from dynasor.certainty import UNIFORM
from dynasor.engines import open_engine
from dynasor.engines.opening import EMBEDDED, is_local, model_digest
from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.parameters import split_settings
from dynasor.profile import Profile
from dynasor.programs import PROGRAMS, Program, make_program
from dynasor.rewards import REWARD_CHOICES, Reward, open_reward
from dynasor.runtime import DriftWatch, Options
from dynasor.scheduling import ALLOCATORS, PRESETS, AdaptiveCapacity, Allocator, make_allocator, preset
from dynasor.vocabulary import JSON, Sampling

PROGRAM = "self-consistency"
ALLOCATOR = "agreement"
MAX_SAMPLES = 16
LOCAL_MAX_TOKENS = 1024
LOCAL_TEMPERATURE = 1.0
AUTO = "auto"
LOCAL_SLOTS = 32
"""Most requests at once on a model that we run ourselves, where that is left to be found: it is started for so many."""
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
    str | None,
    typer.Option(
        "--program",
        "-p",
        help=f"Reasoning program: {', '.join(PROGRAMS)}, or yours as module:Class. [default: {PROGRAM}]",
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
    str | None, typer.Option(help=f"Program and allocator with the paper's hyper-parameters: {', '.join(PRESETS)}.")
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


def open_chosen_engine(
    engine: str, *, model: str | None, api_key: str | None, slots: int, has_peers: bool = False
) -> Engine:
    """The engine of the command line. A key from the environment is for URLs; local models need none."""
    key = None if is_local(engine) else api_key
    return open_engine(engine, model=model, api_key=key, slots=slots, has_peers=has_peers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the verbs that run programs have in common; see ``with_run_options``."""

    engine: EngineOption = EMBEDDED
    model: ModelOption = None
    api_key: ApiKeyOption = None
    program: ProgramOption = None
    reward: RewardOption = None
    reward_api_key: RewardApiKeyOption = None
    set: SetOption = None
    allocator: AllocatorOption = None
    preset: PresetOption = None
    profile: ProfileOption = None
    audit_share: AuditShareOption = None
    max_samples: RunMaxSamplesOption = None
    max_change: MaxChangeOption = None
    threshold: ThresholdOption = None
    detect_at: DetectAtOption = None
    temperature: TemperatureOption = None
    top_p: TopPOption = None
    max_tokens: MaxTokensOption = None
    thinking: ThinkingOption = None
    answers: AnswersOption = AnswerStyle.MATH
    seed: SeedOption = 0
    concurrency: ConcurrencyOption = "32"

    def __post_init__(self) -> None:
        deciders = {"--allocator": self.allocator, "--preset": self.preset, "--profile": self.profile}
        given = [name for name, value in deciders.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} both say when to stop; choose one")
        if self.preset is not None and self.program not in (None, preset(self.preset).program):
            raise InputError(
                f"the preset {self.preset} is of the program {preset(self.preset).program}, not {self.program}"
            )
        if self.audit_share is not None and self.profile is None:
            raise InputError("--audit-share watches over a --profile, and there is none")
        if self.concurrency != AUTO and not (self.concurrency.isdecimal() and int(self.concurrency) > 0):
            raise InputError(
                f"--concurrency is {self.concurrency!r}; a whole number of at least 1, or {AUTO}, was expected"
            )

    @property
    def capacity(self) -> int | AdaptiveCapacity:
        """How many requests run at once on each engine."""
        if self.concurrency != AUTO:
            return int(self.concurrency)
        return AdaptiveCapacity(most=LOCAL_SLOTS) if is_local(self.engine) else AdaptiveCapacity()

    @property
    def slots(self) -> int:
        """For how many requests at once a model is started that we run ourselves."""
        return LOCAL_SLOTS if self.concurrency == AUTO else int(self.concurrency)

    @property
    def program_name(self) -> str:
        if self.program is not None:
            return self.program
        if self.preset is not None:
            return preset(self.preset).program
        profile = self.load_profile()
        return profile.program if profile else PROGRAM

    @property
    def allocator_name(self) -> str:
        """What the allocator is called in results."""
        return self.preset or (self.allocator or ALLOCATOR).partition(":")[0]

    @property
    def cap(self) -> int:
        profile = self.load_profile()
        return self.max_samples or (profile.max_samples if profile else MAX_SAMPLES)

    def load_profile(self) -> Profile | None:
        return None if self.profile is None else loaded(self.profile)

    def make_allocator(self) -> Allocator:
        profile = self.load_profile()
        if profile is None and self.preset is None:
            return make_allocator(
                self.allocator or ALLOCATOR,
                max_change=self.max_change,
                threshold=self.threshold,
                detect_at=self.detect_at,
            )
        for name in ("max_change", "threshold", "detect_at"):
            if getattr(self, name) is not None:
                decider = "--preset" if profile is None else "--profile"
                raise InputError(f"--{name.replace('_', '-')} means nothing beside {decider}, which says when to stop")
        return preset(self.preset or "").allocator if profile is None else profile.allocator

    def make_options(self) -> Options:
        sampling = make_sampling(
            self.engine,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            thinking=self.thinking,
        )
        profile = self.load_profile()
        prior = profile.allocator.prior if profile else UNIFORM
        return Options(
            max_samples=self.cap,
            sampling=sampling,
            seed=self.seed,
            vote_prior=prior,
            mean_tokens_per_unit=profile.mean_tokens_per_unit if profile else None,
        )

    def make_watch(self, model: str) -> DriftWatch | None:
        """The drift watch of a run with a profile. InputError if that is of another ``model``, program or cap."""
        profile = self.load_profile()
        if profile is None:
            return None
        profile.check_fits(model=model, program=self.program_name, max_samples=self.cap, settings=self.program_settings)
        return DriftWatch(profile) if self.audit_share is None else DriftWatch(profile, self.audit_share)

    def open_reward(self) -> Reward | None:
        """The reward, which is entered before it scores."""
        return None if self.reward is None else open_reward(self.reward, api_key=self.reward_api_key)

    @property
    def program_settings(self) -> list[str]:
        """The program's parameters as NAME=VALUE: those given, or the profile's."""
        profile = self.load_profile()
        return sorted(self.set if self.set is not None else profile.settings if profile else ())

    def make_program(self, reward: Reward | None) -> Program:
        return make_program(self.program_name, reward, split_settings(self.program_settings, "--set"))

    def open_engine(self) -> Engine:
        return open_chosen_engine(self.engine, model=self.model, api_key=self.api_key, slots=self.slots)

    def fingerprint(self) -> JSON:
        """Everything here that changes results, keys to engines apart."""
        sampling = self.make_options().sampling
        return {
            "model file": model_digest(self.engine),
            "--program": self.program_name,
            "--reward": self.reward,
            "--set": self.program_settings,
            "--allocator": repr(self.make_allocator()),
            "--audit-share": self.audit_share,
            "--max-samples": self.cap,
            "--temperature": sampling.temperature,
            "--top-p": sampling.top_p,
            "--max-tokens": sampling.max_tokens,
            "--thinking": sampling.thinking,
            "--answers": self.answers.value,
            "--seed": self.seed,
        }


@functools.lru_cache(maxsize=1)
def loaded(path: Path) -> Profile:
    return Profile.load(path)


def with_run_options(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` for typer: in place of its parameter ``run`` it has the fields of ``RunOptions`` as options. Those that
    it has itself are its own, and left to their defaults in ``run``."""
    own_parameters = inspect.signature(verb, eval_str=True).parameters
    run_names = [each.name for each in dataclasses.fields(RunOptions) if each.name not in own_parameters]

    @functools.wraps(verb)
    def spread(**given: Any) -> None:
        run = RunOptions(**{name: given.pop(name) for name in run_names})
        verb(run=run, **given)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for own in own_parameters.values()
        for parameter in (run_parameters(run_names) if own.name == "run" else [own])
    ]
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread


def run_parameters(names: Sequence[str]) -> list[inspect.Parameter]:
    """The fields of ``RunOptions`` with these names as parameters of a function."""
    hints = get_type_hints(RunOptions, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in dataclasses.fields(RunOptions)
        if each.name in names
    ]


def check_can_be_written(path: Path, taken: Mapping[str, Path]) -> None:
    """InputError if ``path`` is no place for a file, or is that of something else."""
    if path.is_dir() or not path.name:
        raise InputError(f"{path} is a folder; a file to write was expected")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder to write {path.name} into")
    for what, other in taken.items():
        if path.resolve() == other.resolve():
            raise InputError(f"{path} is {what} already; choose another file")

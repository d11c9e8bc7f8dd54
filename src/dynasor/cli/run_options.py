"""What the verbs that run programs have in common, and how it becomes the parts of a run."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

from dynasor.answers import AnswerStyle
from dynasor.certainty import UNIFORM
from dynasor.cli import options
from dynasor.engines import open_engine
from dynasor.engines.opening import EMBEDDED, is_local, model_digest
from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.parameters import split_settings
from dynasor.profile import Profile
from dynasor.programs import Program, make_program
from dynasor.rewards import Reward, open_reward
from dynasor.runtime import DriftWatch, Options
from dynasor.scheduling import AdaptiveCapacity, Allocator, make_allocator, preset
from dynasor.vocabulary import JSON, Sampling

LOCAL_SLOTS = 32
"""Most requests at once on a model that we run ourselves, where that is left to be found: it is started for so many."""


def make_sampling(
    engine: str,
    *,
    temperature: float | None,
    top_p: float | None,
    max_tokens: int | None,
    thinking: bool | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
) -> Sampling:
    """The run's sampling, with bounds and a temperature for models we run ourselves, which have no defaults."""
    if temperature is not None and not 0 <= temperature < math.inf:
        raise InputError(f"--temperature is {temperature}; a number of at least 0 was expected")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"--top-p is {top_p}; a number above 0 and up to 1 was expected")
    if min_p is not None and not 0 <= min_p <= 1:
        raise InputError(f"--min-p is {min_p}; a number from 0 to 1 was expected")
    if is_local(engine):
        temperature = options.LOCAL_TEMPERATURE if temperature is None else temperature
        max_tokens = max_tokens or options.LOCAL_MAX_TOKENS
    return Sampling(
        temperature=temperature, top_p=top_p, max_tokens=max_tokens, thinking=thinking, top_k=top_k, min_p=min_p
    )


def open_chosen_engine(
    engine: str, *, model: str | None, api_key: str | None, slots: int, has_peers: bool = False
) -> Engine:
    """The engine of the command line. A key from the environment is for URLs; local models need none."""
    key = None if is_local(engine) else api_key
    return open_engine(engine, model=model, api_key=key, slots=slots, has_peers=has_peers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the verbs that run programs have in common; see ``with_options``."""

    engine: options.EngineOption = EMBEDDED
    model: options.ModelOption = None
    api_key: options.ApiKeyOption = None
    program: options.ProgramOption = None
    reward: options.RewardOption = None
    reward_api_key: options.RewardApiKeyOption = None
    set: options.SetOption = None
    allocator: options.AllocatorOption = None
    preset: options.PresetOption = None
    profile: options.ProfileOption = None
    audit_share: options.AuditShareOption = None
    max_samples: options.RunMaxSamplesOption = None
    max_change: options.MaxChangeOption = None
    threshold: options.ThresholdOption = None
    detect_at: options.DetectAtOption = None
    temperature: options.TemperatureOption = None
    top_p: options.TopPOption = None
    top_k: options.TopKOption = None
    min_p: options.MinPOption = None
    max_tokens: options.MaxTokensOption = None
    thinking: options.ThinkingOption = None
    answers: options.AnswersOption = AnswerStyle.MATH
    seed: options.SeedOption = 0
    concurrency: options.ConcurrencyOption = "32"

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
        options.check_concurrency(self.concurrency)

    def check(self) -> None:
        """InputError if an allocator or the sampling cannot be made of them."""
        self.make_allocator()
        self.make_options()

    @property
    def capacity(self) -> int | AdaptiveCapacity:
        """How many requests run at once on each engine."""
        wanted = options.check_concurrency(self.concurrency)
        if wanted is not None:
            return wanted
        return AdaptiveCapacity(most=LOCAL_SLOTS) if is_local(self.engine) else AdaptiveCapacity()

    @property
    def slots(self) -> int:
        """For how many requests at once a model is started that we run ourselves."""
        return options.check_concurrency(self.concurrency) or LOCAL_SLOTS

    @property
    def program_name(self) -> str:
        if self.program is not None:
            return self.program
        if self.preset is not None:
            return preset(self.preset).program
        profile = self.load_profile()
        return profile.program if profile else options.PROGRAM

    @property
    def allocator_name(self) -> str:
        """What the allocator is called in results."""
        return self.preset or (self.allocator or options.ALLOCATOR).partition(":")[0]

    @property
    def cap(self) -> int:
        profile = self.load_profile()
        return self.max_samples or (profile.max_samples if profile else options.MAX_SAMPLES)

    def load_profile(self) -> Profile | None:
        return None if self.profile is None else loaded(self.profile)

    def make_allocator(self) -> Allocator:
        profile = self.load_profile()
        if profile is None and self.preset is None:
            return make_allocator(
                self.allocator or options.ALLOCATOR,
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
            top_k=self.top_k,
            min_p=self.min_p,
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
            "--top-k": sampling.top_k,
            "--min-p": sampling.min_p,
            "--max-tokens": sampling.max_tokens,
            "--thinking": sampling.thinking,
            "--answers": self.answers.value,
            "--seed": self.seed,
        }


@functools.lru_cache(maxsize=1)
def loaded(path: Path) -> Profile:
    return Profile.load(path)

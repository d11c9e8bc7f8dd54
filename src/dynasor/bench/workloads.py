"""What is compared (arms), and on which programs (workloads), with the paper's hyper-parameters where it has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dynasor.certainty import UNIFORM
from dynasor.errors import InputError
from dynasor.parameters import split_settings
from dynasor.profile import Profile
from dynasor.programs import Program, make_program
from dynasor.rewards import Reward
from dynasor.runtime import Options
from dynasor.scheduling import Allocator, Fixed, Policy, as_served, make_allocator, preset
from dynasor.vocabulary import JSON, Sampling

AUTHORS_PACE = ("window=2", "probe_interval=32", "min_confidence=0")
"""Of chains under the paper's rule: the default of its authors' servers, two probes in a row that agree, one every 32
tokens, however sure the model is of them. Their chat program's pace, 3 and 64, spends more (``benchmarks.rivals``)."""
UNLIMITED = 1 << 30
"""Requests at once where the engine alone decides."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to serve programs.

    Args:
        policy: whose request starts next.
        decider: which of a workload's allocators: ``fixed``, ``paper`` or ``ours``.
        is_limited: whether requests beyond what the engine does best at once wait with us.
        first_try: how many times the baseline's rate a search begins with; where it ends does not depend on it.
    """

    name: str
    policy: str | Policy
    decider: str
    is_limited: bool = True
    first_try: float = 1.0


ENGINE, GANG, PAPER, OURS = "engine", "gang", "paper", "dynasor"
ARMS: Mapping[str, Arm] = {
    ENGINE: Arm(ENGINE, "fcfs", "fixed", is_limited=False),
    GANG: Arm(GANG, "gang", "fixed"),
    PAPER: Arm(PAPER, "sjf", "paper", first_try=1.3),
    OURS: Arm(OURS, "sjf", "ours", first_try=2.0),
}
"""All requests of a program handed to the engine at once, with a fixed cap, which is what people do today; gang
scheduling alone, which is what Parrot's order of applications does; the paper's system; and ours by default."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A program, its cap, and when each decider stops it.

    Args:
        sampling: how its requests are drawn; what it leaves open is the run's.
        paper: the paper's static rule; ``paper_settings`` are those of the program under it.
        ours: our default allocator.
        deadline_factor: the base deadline over what a program takes alone at its cap; see docs/benchmarks.md.
        profile: what `dynasor calibrate` learned, in place of ``ours``.
    """

    program: str
    cap: int
    paper: Allocator
    paper_name: str
    ours: Allocator
    deadline_factor: float
    reward: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    settings: Sequence[str] = ()
    paper_settings: Sequence[str] = ()
    profile: Profile | None = None
    profile_path: Path | None = None

    def allocator(self, decider: str) -> Allocator:
        if decider == "fixed":
            return Fixed()
        if decider == "paper":
            return self.paper
        return as_served(self.ours if self.profile is None else self.profile.allocator)

    def make_program(self, reward: Reward | None, decider: str) -> Program:
        settings = self.settings
        if decider == "paper":
            settings = (*settings, *self.paper_settings)
        elif decider == "ours" and self.profile is not None:
            settings = self.profile.settings
        return make_program(self.program, reward, split_settings(settings, f"the workload {self.program}"))

    def options(self, decider: str, sampling: Sampling, seed: int) -> Options:
        drawn = replace(
            sampling,
            temperature=sampling.temperature if self.sampling.temperature is None else self.sampling.temperature,
            max_tokens=sampling.max_tokens if self.sampling.max_tokens is None else self.sampling.max_tokens,
        )
        profile = self.profile if decider == "ours" else None
        return Options(
            max_samples=self.cap,
            sampling=drawn,
            seed=seed,
            vote_prior=UNIFORM if profile is None else profile.allocator.prior,
            mean_tokens_per_unit=None if profile is None else profile.mean_tokens_per_unit,
        )

    def to_json(self) -> JSON:
        """What results depend on."""
        return {
            "program": self.program,
            "cap": self.cap,
            "reward": self.reward,
            "settings": list(self.settings),
            "temperature": self.sampling.temperature,
            "max_tokens": self.sampling.max_tokens,
            "paper": self.paper_name,
            **({"paper_settings": list(self.paper_settings)} if self.paper_settings else {}),
            "ours": repr(self.allocator("ours")),
            "deadline_factor": self.deadline_factor,
            "profile": None if self.profile is None else self.profile.to_json()["promise"],
            "profile_settings": None if self.profile is None else list(self.profile.settings),
        }


def _of_preset(cap: int, name: str, deadline_factor: float, *, reward: str | None = None) -> Workload:
    found = preset(name)
    return Workload(found.program, cap, found.allocator, name, make_allocator("agreement"), deadline_factor, reward)


WORKLOADS: Mapping[str, Workload] = {
    each.program: each
    for each in (
        _of_preset(20, "paper/sc-gsm8k", 5.0),
        _of_preset(32, "paper/rebase-math", 4.0, reward="likelihood"),
        _of_preset(15, "paper/mcts-gsm8k", 3.0, reward="likelihood"),
        Workload(
            "chain-of-thought",
            16,
            make_allocator("stability"),
            "stability",
            make_allocator("agreement"),
            4.0,
            paper_settings=AUTHORS_PACE,
            sampling=Sampling(temperature=0.6, max_tokens=1000),
        ),
    )
}
"""By program; caps as the paper's, where an engine on one core can bear them (Rebase: 32 where the paper has 128)."""


def workload(program: str, *, cap: int | None, reward: str | None, profile_path: Path | None) -> Workload:
    """A program as ``WORKLOADS`` has it, with what is given in place of what it has.

    Raises:
        InputError: it has none of that name, or the profile is of another program or cap.
    """
    if program not in WORKLOADS:
        raise InputError(f"there is no workload {program!r}; choose {', '.join(WORKLOADS)}")
    found = WORKLOADS[program]
    found = replace(found, cap=cap or found.cap, reward=reward if found.reward and reward else found.reward)
    if profile_path is None:
        return found
    profile = Profile.load(profile_path)
    if (profile.program, profile.max_samples) != (program, found.cap):
        raise InputError(
            f"{profile_path} is a profile of {profile.program} at a cap of {profile.max_samples}; one of {program} at "
            f"{found.cap} was expected"
        )
    return replace(found, profile=profile, profile_path=profile_path)

"""What a batch is to do: which questions, under which arms, where the results go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dynasor.batch.questions import LineFormat, QuestionFile
from dynasor.batch.results import Manifest
from dynasor.errors import InputError
from dynasor.programs import Program
from dynasor.runtime import DEFAULT_RECOVERY, DriftWatch, Options, Recovery
from dynasor.scheduling import AdaptiveCapacity, Allocator, Budget, Fixed
from dynasor.vocabulary import JSON

BASELINE = "fixed"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of running the questions, and where its results go."""

    name: str
    allocator: Allocator
    path: Path
    format: LineFormat
    with_branches: bool = False
    budget: Budget | None = None
    """The total that its questions share, instead of an allocator for each."""
    watch: DriftWatch | None = None


def baseline_path(output: Path) -> Path:
    """Where the results of ``--compare fixed`` go: OUT.fixed.jsonl beside OUT.jsonl."""
    return output.with_suffix(f".{BASELINE}{output.suffix}")


def manifest_path(output: Path) -> Path:
    return output.with_name(output.name + ".run.json")


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A batch, ready to run. ``fingerprint`` holds every option that changes results.

    A ``budget`` is shared among the questions, which are then taken in random order; ``allocator`` is not asked.
    """

    questions: QuestionFile
    output: Path
    program: Callable[[], Program]
    allocator_name: str
    allocator: Allocator
    options: Options
    fingerprint: JSON
    concurrency: int | AdaptiveCapacity = 32
    compare_fixed: bool = False
    budget: Budget | None = None
    watch: DriftWatch | None = None
    """Of the arm that is not the baseline, when a profile tells it when to stop."""
    recovery: Recovery = DEFAULT_RECOVERY
    """What is done when the engine fails."""
    keep_samples: bool = False
    """Write every sample down, and of a program whose units depend on each other what it went through."""

    @property
    def program_name(self) -> str:
        return str(self.fingerprint.get("--program"))

    def arms(self) -> list[Arm]:
        """The baseline, if asked for, goes first, into ``OUT.fixed.jsonl`` beside the output."""
        own = Arm(
            name=self.allocator_name,
            allocator=self.allocator,
            path=self.output,
            format=self.questions.format,
            with_branches=self.keep_samples,
            budget=self.budget,
            watch=self.watch,
        )
        arms = [own]
        if self.compare_fixed:
            arms.insert(0, Arm(BASELINE, Fixed(), baseline_path(self.output), LineFormat.PLAIN, with_branches=True))
        return arms

    def open_manifest(self) -> Manifest:
        """Check that this job may write its files: they are new, or left by the same job."""
        path = manifest_path(self.output)
        for arm in self.arms():
            if arm.path.exists() and not path.exists():
                raise InputError(f"{arm.path} exists, but no run of ours wrote it; choose another --output")
        return Manifest.open(path, self.fingerprint)

"""Result files of ``dynasor batch``, read for reports: also such as are still being written, or were cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from dynasor.batch import ArmSummary, LineFormat, baseline_path, manifest_path
from dynasor.batch.results import record_of_line
from dynasor.errors import InputError
from dynasor.vocabulary import JSON


@dataclass(frozen=True, slots=True)
class Arm:
    """One result file: its name in the report, its records, and what its run file says (options, seconds)."""

    name: str
    path: Path
    records: Sequence[JSON]
    options: JSON
    elapsed_s: float | None = None
    is_baseline: bool = False

    @property
    def summary(self) -> ArmSummary:
        summary = ArmSummary()
        for record in self.records:
            summary.add(record)
        return summary

    @property
    def cap(self) -> int | None:
        """The most samples a question could get, where it is known."""
        cap = self.options.get("--max-samples")
        return cap if isinstance(cap, int) else None


def read_arms(paths: Iterable[Path]) -> list[Arm]:
    """The arms in the files, each with its baseline before it if that lies beside it and is not named itself."""
    arms: list[Arm] = []
    named = list(dict.fromkeys(paths))
    for path in named:
        baseline = baseline_path(path)
        if baseline.is_file() and baseline not in [*named, *(arm.path for arm in arms)]:
            arms.append(read_arm(baseline, manifest_path(path), is_baseline=True))
        arms.append(read_arm(path, manifest_path(path)))
    return with_names_apart(arms)


def read_arm(path: Path, manifest: Path | None = None, *, is_baseline: bool = False) -> Arm:
    """Raises InputError for a file that has no results of ours."""
    options, elapsed_s = read_manifest(manifest)
    if is_baseline:
        name = "fixed"
        options = {**options, "--allocator": "Fixed()"}
    else:
        name = next((key for key in elapsed_s if key != "fixed" or len(elapsed_s) == 1), path.stem)
    return Arm(name, path, list(records_of(path)), options, elapsed_s.get(name), is_baseline or name == "fixed")


def read_manifest(path: Path | None) -> tuple[JSON, dict[str, float]]:
    """The options and the seconds of each arm; nothing for a file that is not there or is none of ours."""
    try:
        stored = orjson.loads(path.read_bytes()) if path is not None else {}
        return dict(stored["options"]), dict(stored["elapsed_s"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return {}, {}


def records_of(path: Path) -> Iterator[JSON]:
    """The records of a result file. A last line that is cut off is left out, for it is still being written."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    record = record_in(path, number, line)
                except InputError:
                    if line.endswith(b"\n"):
                        raise
                    break
                count += 1
                yield record
    if not count:
        raise InputError(f"{path} has no results yet")


def record_in(path: Path, number: int, line: bytes) -> JSON:
    try:
        value = orjson.loads(line)
        if "dynasor" not in value:
            return record_of_line(value, LineFormat.PLAIN)
        record = record_of_line(value, LineFormat.OPENAI)
        response = value.get("response")
        return record if response is None else record | {"solution": solution_in(response)}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path}:{number}: this is not a result line of `dynasor batch`") from None


def solution_in(response: JSON) -> str:
    return str(response["body"]["choices"][0]["message"]["content"])


def with_names_apart(arms: Sequence[Arm]) -> list[Arm]:
    """Two arms with the same name are called by their files."""
    names = [arm.name for arm in arms]
    return [
        arm
        if names.count(arm.name) == 1
        else Arm(f"{arm.name} ({arm.path.stem})", arm.path, arm.records, arm.options, arm.elapsed_s, arm.is_baseline)
        for arm in arms
    ]


def tokens_of(record: JSON) -> int:
    """All tokens that an engine produced for a question."""
    return sum(record["usage"].values())

"""How hard questions were: how many samples they needed, and what was saved on those that need few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dynasor.reports.arms import Arm, tokens_of
from dynasor.vocabulary import JSON

FIRST_BOUND = 1
"""The groups end at this number of samples and its doubles, up to the cap."""


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that needed ``least`` to ``most`` samples: how many, and in means over them, the samples and tokens of
    an arm, and the tokens of its baseline (None: there is none)."""

    least: int
    most: int
    questions: int
    samples: float
    tokens: float
    baseline_tokens: float | None

    @property
    def label(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"

    @property
    def saved(self) -> float | None:
        """The share of the baseline's tokens that was not spent."""
        return None if not self.baseline_tokens else 1 - self.tokens / self.baseline_tokens


def samples_needed(record: JSON) -> int | None:
    """After how many of its recorded samples the leading answer was the last one, and stayed so.

    None where samples were not recorded. Their order is that in which they came.
    """
    branches = record.get("branches")
    if not branches:
        return None
    counts: Counter[str] = Counter()
    leaders: list[str | None] = []
    for branch in branches:
        if branch["answer"] is not None:
            counts[branch["answer"]] += 1
        leaders.append(max(counts, key=counts.__getitem__) if counts else None)
    last = leaders[-1]
    different = (place for place in range(len(leaders), 0, -1) if leaders[place - 1] != last)
    return next(different, 0) + 1


def difficulty_of(arm: Arm, baseline: Arm | None) -> Mapping[str, int]:
    """Samples needed by id: found in the samples of the baseline, else in the arm's own, else how many it took."""
    source = arm if baseline is None else baseline
    return {
        record["id"]: samples_needed(record) or record["samples"] for record in source.records if record["samples"] > 0
    }


def by_difficulty(arm: Arm, baseline: Arm | None) -> list[Group]:
    """``arm`` in groups of questions, from easy to hard; groups without questions are left out."""
    needed = difficulty_of(arm, baseline)
    known = [record for record in arm.records if record["id"] in needed]
    tokens = {} if baseline is None else {record["id"]: tokens_of(record) for record in baseline.records}
    groups = []
    for least, most in ranges(max(needed.values(), default=0)):
        members = [record for record in known if least <= needed[record["id"]] <= most]
        if members:
            groups.append(group_of(least, most, members, tokens))
    return groups


def ranges(largest: int) -> Iterable[tuple[int, int]]:
    """1, 2, 3 to 4, 5 to 8, ... up to the ``largest``."""
    bounds = [0, FIRST_BOUND]
    while bounds[-1] < largest:
        bounds.append(min(2 * bounds[-1], largest))
    return ((below + 1, most) for below, most in pairwise(bounds))


def group_of(least: int, most: int, members: Sequence[JSON], baseline: Mapping[str, int]) -> Group:
    count = len(members)
    of_baseline = [baseline[record["id"]] for record in members if record["id"] in baseline]
    return Group(
        least,
        most,
        count,
        sum(record["samples"] for record in members) / count,
        sum(map(tokens_of, members)) / count,
        sum(of_baseline) / count if len(of_baseline) == count else None,
    )

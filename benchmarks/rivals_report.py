"""What ``benchmarks.rivals`` measured, as tables: pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.algorithms import paired_numbers
from dynasor.paired import paired_difference
from dynasor.vocabulary import JSON

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question under one arm. ``tokens`` are those its client was told of; of requests that it ``cancelled`` some
    clients are told nothing."""

    is_right: bool
    tokens: int
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """One arm over all questions: wall-clock, and ``tokens`` and ``requests`` by the engine's own count (None: it
    counts no requests)."""

    group: str
    arm: str
    repetition: int
    seconds: float
    tokens: int
    requests: int | None
    outcomes: Sequence[Outcome]

    @classmethod
    def of_json(cls, stored: JSON) -> Self:
        return cls(**{**stored, "outcomes": [Outcome(**each) for each in stored["outcomes"]]})

    @property
    def told(self) -> int:
        """Tokens that clients know of."""
        return sum(each.tokens for each in self.outcomes)

    def tokens_by_question(self) -> list[float]:
        """What the engine counted, by question: what clients know of, and the rest in proportion to the requests that
        were cancelled."""
        cancelled = sum(each.cancelled for each in self.outcomes)
        each_cancelled = (self.tokens - self.told) / cancelled if cancelled else 0.0
        return [each.tokens + each.cancelled * each_cancelled for each in self.outcomes]


def report(measured: Sequence[Ran], baselines: Mapping[str, str], subject: str) -> JSON:
    """For each group every arm, against the group's baseline and with ``subject`` against it."""
    return {group: group_report(by_arm(measured, group), baselines[group], subject) for group in baselines}


def by_arm(measured: Sequence[Ran], group: str) -> Mapping[str, list[Ran]]:
    names = dict.fromkeys(ran.arm for ran in measured if ran.group == group)
    return {name: [ran for ran in measured if (ran.group, ran.arm) == (group, name)] for name in names}


def group_report(ran: Mapping[str, Sequence[Ran]], baseline: str, subject: str) -> JSON:
    entries: JSON = {}
    for name, runs in ran.items():
        entries[name] = summary(runs)
        if name != baseline:
            entries[name]["against_baseline"] = compared(runs, ran[baseline])
        if name != subject:
            entries[name]["subject_against_it"] = compared(ran[subject], runs)
    return {"baseline": baseline, "subject": subject, "arms": entries}


def summary(runs: Sequence[Ran]) -> JSON:
    count = len(runs[0].outcomes)
    requests = [ran.requests / count for ran in runs if ran.requests is not None]
    return {
        "accuracy": statistics.fmean(means(runs, right)),
        "tokens": spread([ran.tokens / count for ran in runs]),
        "told_tokens": statistics.fmean(ran.told / count for ran in runs),
        "requests": statistics.fmean(requests) if requests else None,
        "seconds": spread([ran.seconds for ran in runs]),
        "repetitions": len(runs),
    }


def spread(values: Sequence[float]) -> JSON:
    return {"mean": statistics.fmean(values), "lowest": min(values), "highest": max(values)}


def right(ran: Ran) -> list[float]:
    return [float(each.is_right) for each in ran.outcomes]


def means(runs: Sequence[Ran], of: Callable[[Ran], list[float]]) -> list[float]:
    """By question, over repetitions."""
    return [statistics.fmean(values) for values in zip(*(of(ran) for ran in runs), strict=True)]


def compared(runs: Sequence[Ran], others: Sequence[Ran]) -> JSON:
    """Accuracy of ``runs`` less that of ``others``, and the share of tokens saved, over the same questions."""
    gained = [one - other for one, other in zip(means(runs, right), means(others, right), strict=True)]
    spent = zip(means(runs, Ran.tokens_by_question), means(others, Ran.tokens_by_question), strict=True)
    return {**paired_numbers(gained, list(spent)), "accuracy_p_value": paired_difference(gained).p_value}


def section(result: JSON) -> Iterator[str]:
    """The section of docs/results.md."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    yield "## Others at the same work"
    yield ""
    turns = "in turns to begin" if result["repetitions"] > 1 else "once, in this order"
    yield (
        f"{result['questions']} test questions, {result['repetitions']} repetition(s), one engine ({result['engine']}) "
        f"asked by HTTP by one arm after the other, {turns}; at most {result['at_once']} requests, or chains, at once. "
        "Tokens are by the engine's own counter, probes and cancelled samples with them. "
        "95 % intervals over questions; for tokens and seconds, the lowest and the highest repetition. "
        f"Measured on {machine['cores']} core(s) of {machine['processor']} that other work shared (load average "
        f"{machine['load_average']:.1f}), so seconds compare within this run only. {versions}."
    )
    for name, group in result["groups"].items():
        yield ""
        yield f"### {name.capitalize()}"
        yield ""
        yield from table(group)
        yield ""
        yield verdict(group)
        yield ""
        yield from (f"- {arm}: `{command}`" for arm, command in result["commands"][name].items())
    yield ""
    yield (
        "The authors' loop is written anew from its description, with its faults fixed: "
        f"{'; '.join(result['faults_fixed'])}. Its probes ask with the sentence that the shipped model knows."
    )
    yield ""
    yield f"`{result['command']}`"


def table(group: JSON) -> Iterator[str]:
    baseline, subject = group["baseline"], group["subject"]
    yield (
        f"| arm | accuracy | tokens a question | requests a question | seconds | saved against {baseline} "
        f"| points against {baseline} | {subject} saves against it | {subject}'s points against it |"
    )
    yield "|---" * 9 + "|"
    for name, found in group["arms"].items():
        cells = [
            name,
            f"{100 * found['accuracy']:.1f} %",
            ranged(found["tokens"]),
            "not counted" if found["requests"] is None else f"{found['requests']:.1f}",
            ranged(found["seconds"]),
            *differences(found.get("against_baseline")),
            *differences(found.get("subject_against_it")),
        ]
        yield f"| {' | '.join(cells)} |"


def ranged(found: JSON) -> str:
    return f"{found['mean']:.0f} ({found['lowest']:.0f} to {found['highest']:.0f})"


def differences(found: JSON | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    saved = " to ".join(f"{100 * bound:.1f}" for bound in found["saved_interval"])
    points = " to ".join(f"{100 * bound:+.1f}" for bound in found["accuracy_interval"])
    return f"{100 * found['saved']:.1f} % ({saved})", f"{100 * found['accuracy']:+.1f} ({points})"


def verdict(group: JSON) -> str:
    """Where the subject wins and loses: in tokens by the intervals, in accuracy by the exact test, as intervals of few
    questions are too narrow."""
    against = {name: found["subject_against_it"] for name, found in group["arms"].items() if name != group["subject"]}
    subject = group["subject"]
    seconds = {name: found["seconds"]["mean"] for name, found in group["arms"].items()}
    sure = {name: each for name, each in against.items() if each["accuracy_p_value"] <= LEVEL}
    clear = {
        f"{subject} takes fewer tokens than": [name for name, each in against.items() if each["saved_interval"][0] > 0],
        f"{subject} takes more tokens than": [name for name, each in against.items() if each["saved_interval"][1] < 0],
        f"is more accurate (p at most {LEVEL}) than": [name for name, each in sure.items() if each["accuracy"] > 0],
        "is less accurate (the same) than": [name for name, each in sure.items() if each["accuracy"] < 0],
        "takes longer than": [name for name in against if seconds[name] < seconds[subject]],
    }
    parts = [f"{what} {', '.join(names) or 'none of the others'}" for what, names in clear.items()]
    return "; ".join(parts) + "."

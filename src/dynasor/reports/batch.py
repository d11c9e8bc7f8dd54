"""Parts for the results of a batch, one arm or several side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dynasor.batch.summary import EvenAllocation, replay_even_allocations, wilson_interval
from dynasor.calibration.reliability import Reliability, reliability
from dynasor.reports.arms import Arm, tokens_of
from dynasor.reports.difficulty import Group, by_difficulty
from dynasor.reports.page import Report
from dynasor.reports.parts import (
    Chart,
    Column,
    Figure,
    Figures,
    Part,
    QuestionTable,
    Series,
    Table,
    Value,
    percent,
)
from dynasor.vocabulary import JSON, StopReason

MOST_COSTLY = 10
MOST_LISTED = 50_000
"""Beyond so many questions the table has only those that cost most."""
LONGEST_TEXT = 4000
"""Characters of a question, a solution or an error that are shown."""

Texts = Mapping[str, str]
"""Questions by id, as they were asked."""
NO_TEXTS: Texts = {}


def batch_report(arms: Sequence[Arm], texts: Texts = NO_TEXTS) -> Report:
    """All that can be said of ``arms``; the first that is no baseline is the one that is looked at in detail."""
    main = main_of(arms)
    baseline = baseline_of(arms, main)
    even = even_allocations(baseline)
    model = main.options.get("model")
    subtitle = f"{len(main.records)} questions" + (f", {model}" if model else "")
    parts: Iterable[Part | None] = (
        headline(main, baseline, even),
        summary_table(arms),
        accuracy_chart(arms, even),
        savings_chart(main, baseline),
        savings_table(main, baseline),
        reliability_chart(main, baseline),
        stop_reasons(arms),
        costly_questions(main, texts),
        all_questions(main, baseline, texts),
    )
    return Report(f"Batch: {main.name}", subtitle, [part for part in parts if part is not None])


def main_of(arms: Sequence[Arm]) -> Arm:
    return next((arm for arm in arms if not arm.is_baseline), arms[0])


def baseline_of(arms: Sequence[Arm], main: Arm) -> Arm | None:
    """The first baseline that answered questions of ``main``."""
    ids = {record["id"] for record in main.records}
    return next(
        (
            arm
            for arm in arms
            if arm.is_baseline and arm is not main and any(record["id"] in ids for record in arm.records)
        ),
        None,
    )


def even_allocations(baseline: Arm | None) -> EvenAllocation | None:
    if baseline is None:
        return None
    cap = max((len(record.get("branches", ())) for record in baseline.records), default=0)
    seed = baseline.options.get("--seed", 0)
    return replay_even_allocations(baseline.records, cap, seed) if cap else None


def headline(main: Arm, baseline: Arm | None, even: EvenAllocation | None) -> Figures:
    """What one wants to know first."""
    summary = main.summary
    figures = []
    if summary.accuracy is not None:
        low, high = wilson_interval(summary.correct, summary.scored)
        note = f"{summary.correct} of {summary.scored}, 95 % interval {percent(low)} to {percent(high)}"
        figures.append(Figure("accuracy", summary.accuracy, "percent", note))
    if baseline is not None:
        figures += compared_figures(main, baseline, even)
    figures.append(Figure("tokens a question", summary.tokens_per_question, "count", f"{total_tokens(main):,} in all"))
    figures.append(Figure("samples a question", summary.samples / max(1, summary.questions), "number"))
    if main.elapsed_s is not None:
        figures.append(Figure("wall-clock", main.elapsed_s, "seconds"))
    if summary.failed:
        figures.append(Figure("failed", summary.failed, "count", "questions without an answer: see the table"))
    return Figures("Summary", figures)


def compared_figures(main: Arm, baseline: Arm, even: EvenAllocation | None) -> list[Figure]:
    ours, theirs = common(main, baseline)
    saved = 1 - sum(map(tokens_of, ours)) / max(1, sum(map(tokens_of, theirs)))
    figures = [Figure("tokens saved", saved, "percent", f"against {baseline.name}, which always takes all samples")]
    scored = [
        (a["correct"], b["correct"]) for a, b in zip(ours, theirs, strict=True) if "correct" in a and "correct" in b
    ]
    if scored:
        difference = sum(right - other for right, other in scored) / len(scored)
        figures.append(Figure("accuracy difference", difference, "points", f"against {baseline.name}"))
        if even is not None:
            figures.append(even_figure(main, even))
    return figures


def even_figure(main: Arm, even: EvenAllocation) -> Figure:
    """The fewest samples that, given evenly, are as accurate, and the saving against those."""
    summary = main.summary
    accuracy = summary.accuracy or 0.0
    samples = even.fewest_samples(accuracy)
    largest = len(even.accuracy)
    tokens = (samples or largest) * even.tokens_per_sample
    saved = 1 - summary.tokens_per_question / tokens if tokens else None
    note = (
        f"no even allocation up to {largest} samples is as accurate"
        if samples is None
        else f"{samples} {'sample' if samples == 1 else 'samples'} for every question would be as accurate"
    )
    return Figure("saved against an even allocation", saved, "percent", note)


def common(main: Arm, baseline: Arm) -> tuple[list[JSON], list[JSON]]:
    """The records of the questions that both have, in the same order."""
    theirs = {record["id"]: record for record in baseline.records}
    ours = [record for record in main.records if record["id"] in theirs]
    return ours, [theirs[record["id"]] for record in ours]


def summary_table(arms: Sequence[Arm]) -> Table:
    columns = [
        Column("arm"),
        Column("questions", "count"),
        Column("answered", "count"),
        Column("failed", "count"),
        Column("accuracy", "percent"),
        Column("samples a question", "number"),
        Column("tokens a question", "count"),
        Column("of these cancelled", "count"),
        Column("of these in probes", "count"),
        Column("wall-clock", "seconds"),
    ]
    return Table("Arms", columns, [summary_row(arm) for arm in arms], is_upright=True)


def summary_row(arm: Arm) -> list[Value]:
    summary = arm.summary
    count = max(1, summary.questions)
    return [
        arm.name,
        summary.questions,
        summary.answered,
        summary.failed,
        summary.accuracy,
        summary.samples / count,
        summary.tokens_per_question,
        summary.tokens["cancelled"] / count,
        summary.tokens["probe"] / count,
        arm.elapsed_s,
    ]


def accuracy_chart(arms: Sequence[Arm], even: EvenAllocation | None) -> Chart | None:
    """Each arm as a point; even allocations, replayed from the baseline's samples, as the line to be above of."""
    points = [
        (arm.name, arm.summary.tokens_per_question, arm.summary.accuracy)
        for arm in arms
        if arm.summary.accuracy is not None
    ]
    if not points:
        return None
    series = [Series(name, [(tokens, accuracy)], has_line=False) for name, tokens, accuracy in points]
    told = "; ".join(f"{name} {percent(accuracy)} at {tokens:,.0f} tokens" for name, tokens, accuracy in points)
    notes: list[str] = []
    if even is not None:
        curve = [(number * even.tokens_per_sample, accuracy) for number, accuracy in enumerate(even.accuracy, 1)]
        series.append(Series("the same number of samples for every question", curve, is_reference=True))
        notes.append(
            "The dashed line is replayed from the baseline's samples in random orders: 1, 2, ... samples for every "
            "question alike. A point above it spends its tokens better than an even allocation."
        )
    return Chart(
        "Accuracy against tokens",
        "line",
        series,
        told,
        "tokens a question",
        "accuracy",
        x_form="count",
        y_form="percent",
        notes=notes,
    )


def savings_chart(main: Arm, baseline: Arm | None) -> Chart | None:
    groups = by_difficulty(main, baseline)
    if not groups:
        return None
    told = "; ".join(
        f"{group.label} samples: {group.tokens:,.0f} tokens a question"
        + ("" if group.saved is None else f", {percent(group.saved)} saved")
        for group in groups
    )
    series = [Series(main.name, [group.tokens for group in groups])]
    if baseline is not None:
        series.insert(0, Series(baseline.name, [group.baseline_tokens for group in groups], is_reference=True))
    return Chart(
        "Savings by difficulty",
        "bar",
        series,
        told,
        difficulty_name(main, baseline),
        "tokens a question",
        labels=[group.label for group in groups],
        y_form="count",
    )


def savings_table(main: Arm, baseline: Arm | None) -> Table | None:
    groups = by_difficulty(main, baseline)
    if not groups:
        return None
    columns = [
        Column(difficulty_name(main, baseline)),
        Column("questions", "count"),
        Column("samples taken", "number"),
        Column("tokens", "count"),
    ]
    if baseline is not None:
        columns += [Column(f"tokens, {baseline.name}", "count"), Column("saved", "percent")]
    rows = [row_of(group, baseline is not None) for group in groups]
    return Table("Savings by difficulty, in numbers", columns, rows, [difficulty_note(main, baseline)])


def row_of(group: Group, is_compared: bool) -> list[Value]:
    row: list[Value] = [group.label, group.questions, group.samples, group.tokens]
    return [*row, group.baseline_tokens, group.saved] if is_compared else row


def knows_needs(main: Arm, baseline: Arm | None) -> bool:
    """Whether samples were recorded, so that one can see how many were needed."""
    return any(record.get("branches") for record in (main if baseline is None else baseline).records)


def difficulty_name(main: Arm, baseline: Arm | None) -> str:
    return "samples needed" if knows_needs(main, baseline) else "samples taken"


def difficulty_note(main: Arm, baseline: Arm | None) -> str:
    if knows_needs(main, baseline):
        return (
            "A question needs so many samples: after them the most frequent answer was the one of all samples, and "
            "stayed so. Nobody knows that while it runs."
        )
    return (
        "How many samples a question needs is not known without its further samples: `dynasor batch --compare fixed` "
        "or --keep-samples records them. This is how many it took."
    )


def reliability_chart(main: Arm, baseline: Arm | None) -> Chart | None:
    """Certaindex at the stop against what came true: right, and the same as the baseline's answer."""
    told: list[tuple[str, Reliability]] = []
    right = [
        (r["certaindex"], bool(r["correct"])) for r in main.records if "correct" in r and r["certaindex"] is not None
    ]
    if right:
        told.append(("right", reliability(right)))
    if baseline is not None:
        ours, theirs = common(main, baseline)
        kept = [
            (a["certaindex"], a["answer"] == b["answer"] or bool(a.get("correct") and b.get("correct")))
            for a, b in zip(ours, theirs, strict=True)
            if a["certaindex"] is not None
        ]
        told += [(f"the answer of {baseline.name}", reliability(kept))] if kept else []
    if not told:
        return None
    return Chart(
        "Certaindex: predicted against observed",
        "line",
        [Series(name, [(d.predicted, d.observed) for d in found.deciles]) for name, found in told],
        "; ".join(f"{name}: mean distance {found.error:.3f}" for name, found in told),
        "certaindex at the stop",
        "share of questions",
        x_form="number",
        y_form="percent",
        has_diagonal=True,
        notes=[
            "Agreement foretells that further samples would not change the answer, not that it is right: a model that "
            "is surely wrong looks settled. On the diagonal what was foretold came true."
        ],
    )


def stop_reasons(arms: Sequence[Arm]) -> Chart:
    counts = [(arm.name, arm.summary.stop_reasons, len(arm.records)) for arm in arms]
    reasons = [reason.value for reason in StopReason if any(found[reason.value] for _, found, _ in counts)]
    reasons += sorted({name for _, found, _ in counts for name in found} - set(reasons))
    told = "; ".join(
        f"{name}: " + ", ".join(f"{reason} {found[reason]}" for reason in reasons if found[reason])
        for name, found, _ in counts
    )
    series = [Series(name, [found[reason] / total for reason in reasons]) for name, found, total in counts]
    return Chart(
        "Why questions stopped",
        "bar",
        series,
        told,
        "stop reason",
        "share of questions",
        labels=reasons,
        y_form="percent",
    )


def costly_questions(main: Arm, texts: Texts) -> Table:
    """The ones that took most tokens."""
    ranked = sorted(main.records, key=tokens_of, reverse=True)[:MOST_COSTLY]
    total = max(1, total_tokens(main))
    columns = [
        Column("question"),
        Column("tokens", "count"),
        Column("share", "percent"),
        Column("samples", "count"),
        Column("certaindex", "share"),
        Column("stopped"),
        Column("answer"),
        Column("right", "yes-no"),
    ]
    rows = [
        [
            shown(record["id"], texts),
            tokens_of(record),
            tokens_of(record) / total,
            record["samples"],
            record["certaindex"],
            record["stop_reason"],
            record["answer"],
            record.get("correct"),
        ]
        for record in ranked
    ]
    share = sum(map(tokens_of, ranked)) / total
    note = f"These {len(ranked)} took {percent(share)} of all tokens."
    return Table("The questions that cost most", columns, rows, [note])


def shown(id: str, texts: Texts) -> str:
    text = texts.get(id)
    return id if text is None else f"{id}: {text[:200]}"


def total_tokens(arm: Arm) -> int:
    return sum(map(tokens_of, arm.records))


def all_questions(main: Arm, baseline: Arm | None, texts: Texts) -> QuestionTable:
    records = main.records
    notes = []
    if len(records) > MOST_LISTED:
        records = sorted(records, key=tokens_of, reverse=True)[:MOST_LISTED]
        notes.append(f"Of {len(main.records):,} questions the {MOST_LISTED:,} that cost most are listed.")
    columns = [
        Column("id"),
        Column("answer"),
        Column("right", "yes-no"),
        Column("certaindex", "share"),
        Column("stopped"),
        Column("samples", "count"),
        Column("tokens", "count"),
    ]
    rows = [
        [
            record["id"],
            record["answer"],
            record.get("correct"),
            record["certaindex"],
            record["stop_reason"],
            record["samples"],
            tokens_of(record),
        ]
        for record in records
    ]
    others = {} if baseline is None else {record["id"]: record for record in baseline.records}
    details = [details_of(record, texts, baseline, others.get(record["id"])) for record in records]
    return QuestionTable("All questions", columns, rows, details, filter_by="stopped", notes=notes)


def details_of(record: JSON, texts: Texts, baseline: Arm | None, other: JSON | None) -> dict[str, str]:
    """What is shown of a question that is opened."""
    usage = ", ".join(f"{kind} {count:,}" for kind, count in record["usage"].items() if count)
    found = {
        "question": texts.get(record["id"], ""),
        "solution": str(record.get("solution", "")),
        "error": str(record.get("error", "")),
        "tokens by kind": usage,
    }
    if baseline is not None and other is not None:
        found[f"answer of {baseline.name}"] = f"{other['answer']} ({tokens_of(other):,} tokens)"
    return {name: text[:LONGEST_TEXT] for name, text in found.items() if text}

"""Which pages the documentation site has, in which order, and under which titles.

Paths are those of the repository: the site is laid out as the repository is, so a relative link that works on a code
host works in the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Nav: TypeAlias = "list[dict[str, str | Nav]]"

AWAITED = frozenset({"docs/results.md", "docs/benchmarks.md", "docs/dashboard.md", "docs/cli.md", "docs/reports.md"})
"""Pages that have their place and may not be there yet."""

NAV: Nav = [
    {"Dynasor": "README.md"},
    {
        "Start": [
            {"Quick start": "docs/quickstart.md"},
            {"Concepts": "docs/concepts.md"},
            {"Chat": "docs/chat.md"},
            {"Questions and answers": "docs/faq.md"},
            {"Glossary": "docs/glossary.md"},
        ]
    },
    {
        "Programs": [
            {"Algorithms": "docs/algorithms/README.md"},
            {"Self-consistency": "docs/algorithms/self-consistency.md"},
            {"Best of n": "docs/algorithms/best-of-n.md"},
            {"Weighted majority": "docs/algorithms/weighted-majority.md"},
            {"Rebase": "docs/algorithms/rebase.md"},
            {"MCTS": "docs/algorithms/mcts.md"},
            {"Chain of thought": "docs/algorithms/chain-of-thought.md"},
            {"Self-consistency over chains": "docs/algorithms/self-consistency-over-chains.md"},
            {"Rewards": "docs/rewards.md"},
            {"Write your own": "docs/write-a-program.md"},
        ]
    },
    {"Stopping": [{"Allocators": "docs/allocators.md"}, {"Calibration": "docs/calibration.md"}]},
    {
        "Serving": [
            {"Serving": "docs/serving.md"},
            {"Check an engine": "docs/doctor.md"},
            {"Scheduling policies": "docs/policies.md"},
            {"Dashboard": "docs/dashboard.md"},
        ]
    },
    {
        "Measuring": [
            {"Simulate and plan capacity": "docs/simulate.md"},
            {"Benchmarks": "docs/benchmarks.md"},
            {"Results": "docs/results.md"},
            {"Reports": "docs/reports.md"},
        ]
    },
    {
        "Reference": [
            {"Command line": "docs/cli.md"},
            {"HTTP API": "docs/api.md"},
            {"Python": "docs/python.md"},
            {"The embedded model's card": "src/dynasor/models/embedded/CARD.md"},
        ]
    },
    {
        "Design": [
            {"Design notes": "docs/design/README.md"},
            {"Certaindex and allocation": "docs/design/allocation.md"},
            {"Answers": "docs/design/answers.md"},
            {"Batch": "docs/design/batch.md"},
            {"Budgets": "docs/design/budget.md"},
            {"Engines": "docs/design/engines.md"},
            {"The embedded model": "docs/design/model.md"},
            {"Serving": "docs/design/serving.md"},
        ]
    },
    {
        "Project": [
            {"Contributing": "CONTRIBUTING.md"},
            {"Changelog": "CHANGELOG.md"},
            {"How the embedded model is made": "training/README.md"},
        ]
    },
]


def paths(nav: Nav) -> Iterator[str]:
    """All pages of ``nav``, in order."""
    for entry in nav:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from paths(target)


def without(nav: Nav, left_out: frozenset[str]) -> Nav:
    """``nav`` without these pages, nor the sections that they alone filled."""
    kept: Nav = []
    for entry in nav:
        for title, target in entry.items():
            if isinstance(target, str):
                if target not in left_out:
                    kept.append({title: target})
            elif inner := without(target, left_out):
                kept.append({title: inner})
    return kept

"""The paper's hyper-parameters (its Table 3) under names: ``paper/sc-gsm8k`` and so on.

Each is a program with a static threshold. A threshold is passed by a signal equal to it (the paper says both
"exceeds" and "at least"); with 16 samples split 8 and 8 the normalised entropy is exactly 0.75, where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dynasor.certainty import ENTROPY, REWARD
from dynasor.errors import InputError
from dynasor.scheduling.allocators import Threshold


@dataclass(frozen=True, slots=True)
class Preset:
    """A program by its name, and the allocator that stops it."""

    program: str
    allocator: Threshold


def _paper(program: str, detect_at: int, **thresholds: float) -> Preset:
    return Preset(program, Threshold(thresholds, detect_at))


PRESETS: Mapping[str, Preset] = {
    "paper/sc-math": _paper("self-consistency", 5, **{ENTROPY: 0.7}),
    "paper/sc-gsm8k": _paper("self-consistency", 5, **{ENTROPY: 0.7}),
    "paper/sc-livecodebench": _paper("self-consistency", 5, **{ENTROPY: 0.4}),
    "paper/mcts-gsm8k": _paper("mcts", 3, **{ENTROPY: 0.99, REWARD: 0.4}),
    "paper/mcts-asdiv": _paper("mcts", 3, **{REWARD: 0.4}),
    "paper/rebase-gsm8k": _paper("rebase", 16, **{ENTROPY: 0.85, REWARD: 0.99}),
    "paper/rebase-math": _paper("rebase", 16, **{ENTROPY: 0.75}),
}
"""What ``--preset`` may name."""


def preset(name: str) -> Preset:
    """The preset called ``name``; InputError if there is none."""
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}; choose {', '.join(PRESETS)}")
    return PRESETS[name]

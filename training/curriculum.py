"""What is trained on and when: easy problems first, and some sizes rarely, which is what makes them hard."""

from __future__ import annotations

from training.problems import Size

SIZES = (
    Size(((2, 1),)),
    Size(((2, 1), (2, 1))),
    Size(((2, 2),)),
    Size(((3, 2),), 3),
    Size(((2, 2), (2, 2))),
    Size(((3, 3),)),
    Size(((4, 3),)),
    Size(((3, 3), (2, 2)), 4),
    Size(((4, 4),)),
    Size(((5, 5),)),
)
LONG_SIZES = SIZES[:7]
"""Sizes that are also trained in long mode; longer chains would not fit."""

FIRST_WEIGHTS = (4.0, 3.0, 3.0, 0.5, 0.3, 0.1, 0.0, 0.0, 0.0, 0.0)
FINAL_WEIGHTS = (0.6, 0.9, 1.2, 1.5, 1.2, 1.6, 1.5, 1.0, 0.6, 0.25)


def weights(progress: float) -> list[float]:
    """How often each size is drawn at ``progress`` (0 to 1) of the training."""
    mix = min(1.0, max(0.0, (progress - 0.03) / 0.27))
    return [a * (1 - mix) + b * mix for a, b in zip(FIRST_WEIGHTS, FINAL_WEIGHTS, strict=True)]


def long_share(progress: float) -> float:
    """How many of the documents that can be are in long mode."""
    return 0.05 if progress < 0.1 else 0.2 if progress < 0.25 else 0.33

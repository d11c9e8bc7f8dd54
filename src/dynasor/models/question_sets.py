"""The question sets that ship with the embedded model: arithmetic word problems on ten levels.

Which set a problem belongs to is a function of what has to be computed, so no two sets share a computation.
Each line is ``{"id", "question", "reference", "level"}``; levels take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

FOLDER = Path(__file__).parent / "questions"


class Split(StrEnum):
    TRAIN = "train"
    CALIBRATION = "calibration"
    TEST = "test"


def question_lines(split: Split) -> Iterator[str]:
    """The set's JSON lines."""
    with (FOLDER / f"{split}.jsonl").open() as file:
        for line in file:
            yield line.rstrip("\n")

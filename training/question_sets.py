"""Write the question sets that ship with the model: ``python -m training.question_sets``."""

from __future__ import annotations

import json
from pathlib import Path

from dynasor.models.question_sets import FOLDER
from training.problems import distinct_problems

PER_LEVEL = {"train": 200, "calibration": 64, "test": 64}
SEED = 0


def write_question_sets(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, per_level in PER_LEVEL.items():
        with (folder / f"{split}.jsonl").open("w") as file:
            for i, (level, problem) in enumerate(distinct_problems(split, per_level, SEED)):
                line = {
                    "id": f"{split}-{i:04d}",
                    "question": problem.question,
                    "reference": str(problem.answer),
                    "level": level,
                }
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    write_question_sets()

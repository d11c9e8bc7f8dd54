"""Result lines and files as ``dynasor batch`` writes them, for tests of reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dynasor.reports import Arm
from dynasor.vocabulary import JSON


def record(
    id: str,
    answer: str | None = "4",
    *,
    samples: int = 2,
    main: int = 100,
    cancelled: int = 0,
    correct: bool | None = True,
    certaindex: float | None = 0.9,
    stop_reason: str = "certain",
    branches: Sequence[str | None] = (),
) -> JSON:
    """One result; ``branches`` are the answers of its samples, of 10 tokens each, right if they are ``answer``."""
    made: JSON = {
        "id": id,
        "answer": answer,
        "certaindex": certaindex,
        "stop_reason": stop_reason,
        "samples": samples,
        "usage": {"main": main, "probe": 0, "score": 0, "cancelled": cancelled},
    }
    if correct is not None:
        made["correct"] = correct
    if branches:
        made["branches"] = [{"answer": each, "tokens": 10, "correct": each == answer} for each in branches]
    return made


def arm(name: str, *records: JSON, is_baseline: bool = False, options: JSON | None = None) -> Arm:
    return Arm(name, Path(f"{name}.jsonl"), records, options or {}, 1.5, is_baseline)


def write_results(path: Path, records: Sequence[JSON], name: str = "agreement", options: JSON | None = None) -> Path:
    """A result file with its run file beside it."""
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    manifest = {"options": options or {}, "elapsed_s": {name: 2.0}}
    path.with_name(path.name + ".run.json").write_text(json.dumps(manifest))
    return path

"""The batch benchmark with the shipped model on real vLLM: ``python -m benchmarks.batch``.

    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python python -m benchmarks.batch

Starts vLLM on the CPU, learns the profiles where ``benchmarks.online`` has not, runs ``dynasor bench batch`` on
questions of the test split, and puts its workloads into ``batch.json``, with the machine, the versions and the command,
in place of those of the same name. Kill it and start it again: it goes on. Seconds are kept unless ``--untimed`` says
that the machine had other work.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import orjson

from benchmarks.online import MODEL_FOLDER, PROFILES, SAMPLING, WATCHED, WHOLE_PROMPTS, dynasor, learn, where
from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor.bench.offline import CAPS
from dynasor.vocabulary import JSON


def main() -> None:
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    questions, calibration = given.folder / "test.jsonl", given.folder / "calibration.jsonl"
    dynasor("questions", "--split", "test", "--limit", str(given.questions), "-o", str(questions))
    limit = str(given.calibration_questions)
    dynasor("questions", "--split", "calibration", "--limit", limit, "-o", str(calibration))
    with vllm_server(given.vllm_python, MODEL_FOLDER, given.folder / "vllm.log", *WHOLE_PROMPTS) as url:
        profiles = [
            learn(given.folder, given.profiles, calibration, url, name) for name in given.programs if name in WATCHED
        ]
        command = [
            *("bench", "batch", str(questions), "--output", str(given.folder), "--engine", url, *SAMPLING),
            *("--summary", str(given.folder / "summary.json"), "--seed", str(given.seed)),
            *(part for name in given.programs for part in ("-p", name)),
            *(part for path in profiles for part in ("--profile", str(path))),
        ]
        dynasor(*command)
    report = orjson.loads((given.folder / "summary.json").read_bytes())
    workloads = report.pop("workloads")
    command_line = " ".join(("dynasor", *command))
    put_into(
        given.output,
        workloads,
        {**where(given.vllm_python), "command": command_line, "is_timed": not given.untimed, **report},
    )


def put_into(path: Path, workloads: Mapping[str, JSON], run: JSON) -> None:
    """Each with how it was run, beside the other workloads that ``path`` has."""
    stored = orjson.loads(path.read_bytes()) if path.exists() else {"workloads": {}, "runs": {}}
    stored["workloads"] |= workloads
    stored["runs"] |= dict.fromkeys(workloads, run)
    path.write_bytes(orjson.dumps(stored, option=orjson.OPT_INDENT_2) + b"\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", choices=list(CAPS), default=list(CAPS))
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--calibration-questions", type=int, default=260)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--untimed", action="store_true", help="the machine had other work: seconds mean nothing")
    parser.add_argument("--folder", type=Path, default=Path("build/batch"))
    parser.add_argument("--profiles", type=Path, default=PROFILES)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/batch.json"))
    given = parser.parse_args()
    given.vllm_python = vllm_python()
    return given


if __name__ == "__main__":
    main()

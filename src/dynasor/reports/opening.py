"""From files that a user names to a report of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from dynasor.batch import check_questions
from dynasor.errors import InputError
from dynasor.reports.arms import read_arms
from dynasor.reports.batch import NO_TEXTS, Texts, batch_report
from dynasor.reports.bench import bench_report
from dynasor.reports.page import Report
from dynasor.reports.simulation import simulation_report
from dynasor.vocabulary import JSON


def open_report(paths: Sequence[Path], questions: Path | None = None) -> Report:
    """The report of result files of ``dynasor batch``, side by side, or of one result of ``dynasor simulate --json`` or
    ``dynasor bench --json``.

    ``questions`` is the file that was answered, where its texts shall be in the report.

    Raises InputError, naming the file, for anything else.
    """
    results = [result for result in map(read_result, paths) if result is not None]
    if not results:
        return batch_report(read_arms(paths), texts_of(questions))
    if len(paths) > 1:
        raise InputError(f"{paths[0]} and {len(paths) - 1} more: only results of `dynasor batch` stand side by side")
    return bench_report(results[0]) if is_bench(results[0]) else simulation_report(results[0])


def is_bench(result: JSON) -> bool:
    return isinstance(result.get("workloads"), dict)


def read_result(path: Path) -> JSON | None:
    """The one JSON object that the file is; None if it is JSON lines. InputError for one that is no result."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        if is_object(file.readline()):
            return None
    try:
        value = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict) and (isinstance(value.get("arms"), list) or is_bench(value)):
        return value
    if isinstance(value, dict) and isinstance(value.get("arms"), dict):
        raise InputError(f"{path} is the summary of a batch; name its result file, which has the questions in it")
    raise InputError(f"{path} is no result of `dynasor batch`, `simulate --json` or `bench --json`")


def is_object(line: bytes) -> bool:
    """Whether the line is a JSON object by itself, and no result of a simulation or a benchmark in one line."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and not value.keys() & {"arms", "workloads"}


def texts_of(questions: Path | None) -> Texts:
    """What was asked, by id: the last message of each question."""
    if questions is None:
        return NO_TEXTS
    return {question.id: question.messages[-1].content for question in check_questions(questions)}

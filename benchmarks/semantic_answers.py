"""How well free-text answers are put together: ``python -m benchmarks.semantic_answers --traces FOLDER``.

Prints the tables of docs/design/answers.md: precision and recall over pairs of different texts answering one
question, each question in several orders. ``seen`` and ``fresh`` are the committed set of made-up answers: the
guards and the threshold were chosen on the one, the other was written after that. The rest are recorded texts of
real models, left out where there is no folder of traces:

- ``conclusions``: last paragraphs of chains of thought, the same where the recorded answers are.
- ``literals``: what a program prints, the same where Python reads the same value.
- ``expressions``: for the game of 24, the same where they are with letters for the numbers.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import gzip
import itertools
import random
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.answers.clusters import THRESHOLD, Clusters, Linkage, Vector
from dynasor.answers.embedder import check_installed
from dynasor.answers.encoder import SentenceEncoder, installed_model
from dynasor.answers.statements import GUARDS, Guard, Wording, read_statement
from dynasor.vocabulary import JSON

NAMES = ("seen", "fresh")
OPEN_ANSWERS = Path(__file__).with_name("data") / "open_answers.jsonl"
CHAINS = ("skyt1_amc23_32b_variants", "markyx_math500_r1")
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
LINKAGES: dict[str, Linkage] = {"complete": min, "average": lambda near: statistics.fmean(near), "single": max}
NUM_ORDERS = 5
MAX_QUESTIONS = 100
"""Of literals and expressions each: what is left says the same."""

Meaning = dict[str, str]
"""The different answers to one question, each with what it means: equal for the same."""
Pair = frozenset[str]


@dataclass(frozen=True, slots=True)
class Setting:
    threshold: float = THRESHOLD
    linkage: str = "complete"
    guards: Sequence[Guard] = GUARDS


@dataclass(slots=True)
class Score:
    """Pairs of answers, summed over questions and orders."""

    right: int = 0
    joined: int = 0
    same: int = 0
    different: int = 0
    unsettled: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.same if self.same else 1.0

    def f_score(self, beta: float) -> float:
        """Recall counts ``beta`` times as much as precision."""
        weight = beta**2
        both = weight * self.precision + self.recall
        return (1 + weight) * self.precision * self.recall / both if both else 0.0

    def to_json(self) -> JSON:
        """``wrong`` is the share of pairs with different meanings that were joined; ``order`` the share of pairs
        ever joined that some other order keeps apart."""
        return {
            "precision": round(self.precision, 3),
            "recall": round(self.recall, 3),
            "wrong": round((self.joined - self.right) / self.different, 3) if self.different else 0.0,
            "f1": round(self.f_score(1), 3),
            "f0.5": round(self.f_score(0.5), 3),
            "order": round(statistics.fmean(self.unsettled), 3) if self.unsettled else 0.0,
        }


class Measure:
    """Clusters answers as the reader does, each embedding computed once."""

    def __init__(self) -> None:
        self._encode = SentenceEncoder(installed_model())
        self._vectors: dict[str, Vector] = {}

    def score(self, questions: Iterable[Meaning], setting: Setting = Setting()) -> Score:
        total = Score()
        for number, meaning in enumerate(questions):
            same = {pair for pair in _pairs(meaning) if len({meaning[text] for text in pair}) == 1}
            by_order = [self._joined(_shuffled(meaning, f"{number}-{order}"), setting) for order in range(NUM_ORDERS)]
            for joined in by_order:
                total.right += len(joined & same)
                total.joined += len(joined)
                total.same += len(same)
                total.different += len(meaning) * (len(meaning) - 1) // 2 - len(same)
            if ever := set.union(*by_order):
                total.unsettled.append(1 - len(set.intersection(*by_order)) / len(ever))
        return total

    def _joined(self, answers: Sequence[str], setting: Setting) -> set[Pair]:
        clusters = Clusters(setting.threshold, LINKAGES[setting.linkage], setting.guards)
        keys: dict[str, str] = {}
        for answer in answers:
            statement = read_statement(answer)
            is_embedded = statement.wording is Wording.PROSE or setting.guards != GUARDS
            keys[answer] = clusters.place(statement, self._vector(statement.text) if is_embedded else ())
        return {pair for pair in _pairs(keys) if len({keys[text] for text in pair}) == 1}

    def _vector(self, text: str) -> Vector:
        if text not in self._vectors:
            self._vectors[text] = self._encode(text).tolist()
        return self._vectors[text]


def _pairs(answers: Iterable[str]) -> Iterator[Pair]:
    return map(frozenset, itertools.combinations(answers, 2))


def _shuffled(answers: Iterable[str], seed: str) -> list[str]:
    order = list(answers)
    random.Random(seed).shuffle(order)
    return order


def read_open(path: Path = OPEN_ANSWERS) -> list[tuple[JSON, Meaning]]:
    """The committed questions, each as its line has it and as its answers mean."""
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [(row, {text: str(number) for number, group in enumerate(row["groups"]) for text in group}) for row in rows]


def _rows(traces: Path, name: str) -> list[JSON]:
    with gzip.open(traces / f"{name}.jsonl.gz") as file:
        return [orjson.loads(line) for line in file]


async def read_conclusions(traces: Path, reader: AnswerReader) -> list[Meaning]:
    questions = []
    for name in CHAINS:
        for row, texts in zip(_rows(traces, name), _rows(traces, f"{name}_text"), strict=True):
            meaning: Meaning = {}
            for sample, text in zip(row["samples"], texts["texts"], strict=True):
                conclusion = _conclusion(text)
                if conclusion and sample["answer"] and sample["answer"] in conclusion:
                    meaning[conclusion] = await reader.key(sample["answer"])
            questions.append(meaning)
    return questions


def _conclusion(text: str) -> str | None:
    """The last paragraph with five words; formulas on lines of their own are none."""
    paragraphs = re.split(r"\n[ \t]*\n", text.replace("<|end_of_solution|>", ""))
    return next((part.strip() for part in reversed(paragraphs) if len(re.findall("[A-Za-z]{3,}", part)) >= 5), None)


def read_literals(traces: Path) -> list[Meaning]:
    rows = _rows(traces, "cruxeval_output_codellama7b_10")[:MAX_QUESTIONS]
    return [{text: _value(text) for sample in row["samples"] if (text := sample["answer"])} for row in rows]


def _value(text: str) -> str:
    try:
        return repr(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


async def read_expressions(traces: Path, reader: AnswerReader) -> list[Meaning]:
    questions = []
    for row in _rows(traces, "tot_game24_gpt4_cot100")[:MAX_QUESTIONS:5]:
        texts = {sample["answer"] for sample in row["samples"] if re.fullmatch(r"[\d+*/() -]+", sample["answer"] or "")}
        questions.append({text: await reader.key(_with_letters(text)) for text in sorted(texts)})
    return questions


def _with_letters(expression: str) -> str:
    return re.sub(r"\d+", lambda found: f"({'abcdfghjkmnpqrstuvwxyz'[int(found.group()) % 21]})", expression)


def table(rows: Sequence[JSON]) -> str:
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [
        "| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row.values()) + " |"
        for row in rows
    ]
    return "\n".join(lines)


def run(sets: dict[str, list[Meaning]], kinds: dict[str, list[Meaning]]) -> dict[str, list[JSON]]:
    """The tables by their title."""
    measure = Measure()
    prose = {name: sets[name] for name in (*NAMES, "conclusions") if name in sets}
    settings = [Setting(threshold, linkage) for linkage in LINKAGES for threshold in THRESHOLDS]
    ladder: list[tuple[str, Sequence[Guard]]] = [("none", ())]
    ladder += [(f"+ {guard.__name__}", GUARDS[: number + 1]) for number, guard in enumerate(GUARDS)]
    return {
        "Linkage and threshold": [
            {"set": name, "linkage": setting.linkage, "threshold": setting.threshold}
            | measure.score(questions, setting).to_json()
            for name, questions in prose.items()
            for setting in settings
        ],
        "What each guard adds": [
            {"set": name, "guards": title} | measure.score(questions, Setting(guards=guards)).to_json()
            for name, questions in sets.items()
            for title, guards in ladder
        ],
        "As shipped, by kind of question": [
            {"kind": kind, "questions": len(questions)} | measure.score(questions).to_json()
            for kind, questions in kinds.items()
        ],
    }


async def read_sets(traces: Path | None) -> tuple[dict[str, list[Meaning]], dict[str, list[Meaning]]]:
    made_up = read_open()
    kinds: dict[str, list[Meaning]] = {}
    for row, meaning in made_up:
        kinds.setdefault(row["kind"], []).append(meaning)
    sets = {name: [meaning for row, meaning in made_up if row["fresh"] == (name == "fresh")] for name in NAMES}
    if traces is None:
        return sets, kinds
    async with AnswerReader(AnswerStyle.MATH) as reader:
        sets["conclusions"] = await read_conclusions(traces, reader)
        sets["literals"] = read_literals(traces)
        sets["expressions"] = await read_expressions(traces, reader)
    return sets, kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--traces", type=Path, help="the folder of recorded texts")
    parser.add_argument("--output", type=Path, help="where to write the tables as JSON")
    arguments = parser.parse_args()
    check_installed()
    has_traces = arguments.traces is not None and arguments.traces.is_dir()
    if not has_traces:
        print(f"no folder of recorded texts at {arguments.traces}: the committed set alone\n")
    tables = run(*asyncio.run(read_sets(arguments.traces if has_traces else None)))
    for title, rows in tables.items():
        print(f"{title}\n\n{table(rows)}\n")
    if arguments.output:
        arguments.output.write_bytes(orjson.dumps(tables, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()

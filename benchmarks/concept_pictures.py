"""The pictures of docs/concepts.md: ``python -m benchmarks.concept_pictures``.

``program.svg`` is one program of a simulation, as its events tell it; ``certaindex.svg`` is computed by the functions
that production decides with; ``flow.svg`` shows who talks with whom. The pictures are the same at each run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.picture_parts import bar, line, picture, text
from dynasor.certainty.agreement import agreement
from dynasor.events import CertaindexMeasured, Event, ProgramEnded, ProgramStarted, RequestEnded, RequestStarted
from dynasor.runtime import Options
from dynasor.scheduling import Agreement
from dynasor.simulation import load_engine_profile
from dynasor.simulation.plans import Defaults, open_questions
from dynasor.simulation.simulate import Arm, Site, simulate
from dynasor.simulation.workloads import Poisson, Stream, arrivals
from dynasor.vocabulary import StopReason, VoteCounts

FOLDER = Path("docs/figures")
CAP = 16
PLACES = 4
ENOUGH = 1 - Agreement().max_change


@dataclass
class Course:
    """What happened to one program: its requests as (began, ended, tokens), its certaindex over time."""

    started: float
    began: dict[str, float] = field(default_factory=dict)
    requests: list[tuple[float, float, int]] = field(default_factory=list)
    certaindex: list[tuple[float, float]] = field(default_factory=list)
    ended: float = 0.0
    stop_reason: StopReason | None = None


def simulated_courses() -> dict[str, Course]:
    """Programs of self-consistency, one at a time, on an engine with few places."""
    courses: dict[str, Course] = {}

    def note(at: float, event: Event) -> None:
        if isinstance(event, ProgramStarted):
            courses[event.program_id] = Course(at)
        elif isinstance(event, RequestStarted):
            courses[event.program_id].began[event.request_id] = at
        elif isinstance(event, RequestEnded):
            course = courses[event.program_id]
            course.requests.append((course.began[event.request_id], at, event.num_tokens))
        elif isinstance(event, CertaindexMeasured):
            courses[event.program_id].certaindex.append((at, event.certaindex.value))
        elif isinstance(event, ProgramEnded) and event.answer is not None:
            courses[event.program_id].ended = at
            courses[event.program_id].stop_reason = event.answer.stop_reason

    stream = Stream(
        name="main",
        times=Poisson(0.01),
        questions=open_questions("gsm8k-faithful-cot", Defaults(None, 256.0, False)),
        options=Options(max_samples=CAP),
    )
    site = Site(load_engine_profile("a100-80gb-llama-3.1-8b"), 1, PLACES)
    simulate(site, Arm("gang", Agreement(), "agreement"), arrivals([stream], 200, 0), listener=note)
    return courses


def typical(courses: dict[str, Course]) -> Course:
    """The first that stopped certain after a second wave: one of the first four samples differed."""
    return next(
        course
        for course in courses.values()
        if course.stop_reason is StopReason.CERTAIN and len(course.requests) == 2 * PLACES - 1
    )


def program_picture(course: Course) -> str:
    left, top, height, width = 150.0, 44.0, 24.0, 560.0
    scale = width / (course.ended - course.started)

    def x_at(moment: float) -> float:
        return left + (moment - course.started) * scale

    parts = [text(left, 24, "requests of one program, four at a time", "bold")]
    requests = sorted(course.requests)
    for number, (began, ended, tokens) in enumerate(requests):
        y = top + number * height
        parts.append(text(left - 12, y + 15, f"sample {number + 1}", "muted", "end"))
        parts.append(bar(x_at(began), y, (ended - began) * scale, height - 5, "a"))
        parts.append(text(x_at(began) + 8, y + 14, f"{tokens} tokens", "on"))
    below = top + len(requests) * height
    first, last = len(requests) + 1, CAP
    parts.append(text(left - 12, below + 15, f"samples {first} to {last}", "muted", "end"))
    parts.append(text(left + 8, below + 15, "never sent", "muted"))
    parts.extend(certaindex_panel(course, left, below + 44, width, x_at))
    bottom = below + 44 + 110
    stop = x_at(course.ended)
    parts.append(line([(stop, top - 6), (stop, bottom)], "curve stroke-b"))
    parts.append(text(stop + 8, top + 6, "stopped:", "b bold"))
    parts.append(text(stop + 8, top + 22, "certain", "b bold"))
    seconds = course.ended - course.started
    parts.append(text(stop, bottom + 18, f"{seconds:.1f} s", "muted", "middle"))
    parts.append(text(left, bottom + 18, "0 s", "muted", "middle"))
    return picture(left + width + 90, bottom + 30, "A program and its requests over time", parts)


def certaindex_panel(course: Course, left: float, top: float, width: float, x_at: object) -> Iterator[str]:
    """The certaindex as it was measured, a step at each sample that was read."""
    assert callable(x_at)
    height = 110.0
    yield text(left - 12, top + 4, "certaindex 1", "muted", "end")
    yield text(left - 12, top + height + 4, "0", "muted", "end")
    enough = top + height * (1 - ENOUGH)
    yield line([(left, top + height), (left + width, top + height)], "line")
    yield line([(left, enough), (left + width, enough)], "faint")
    yield text(left + 8, enough + 16, f"enough: {ENOUGH:g}", "muted")
    points, value = [(left, top + height)], 0.0
    for at, measured in course.certaindex:
        points += [(x_at(at), top + height * (1 - value)), (x_at(at), top + height * (1 - measured))]
        value = measured
    yield line(points, "curve stroke-a")


COURSES: Sequence[tuple[str, str, str]] = (
    ("all agree", "AAAAAAAA", "a"),
    ("one of the first four differs", "AABAAAAAAAA", "c"),
    ("two answers take turns, then one leads", "ABABABAAAAAAAAAA", "d"),
    ("every sample says something else", "ABCDEFGHIJKLMNOP", "b"),
)
"""What it is, the answers as they come in, the colour."""


def counts_of(answers: str) -> VoteCounts:
    return VoteCounts(tuple(sorted((answers.count(each) for each in set(answers)), reverse=True)))


def values_of(answers: str) -> list[float]:
    """Agreement after each sample, up to the one at which the allocator stops."""
    values: list[float] = []
    for number in range(1, len(answers) + 1):
        values.append(agreement(counts_of(answers[:number]), CAP))
        if values[-1] >= ENOUGH:
            break
    return values


def certaindex_picture() -> str:
    left, top, width, height = 70.0, 44.0, 560.0, 220.0
    step = width / CAP
    parts = [text(left, 24, f"certaindex after each sample, cap {CAP}", "bold")]
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1 - value)
        parts += [line([(left, y), (left + width, y)], "grid"), text(left - 10, y + 4, f"{value:g}", "muted", "end")]
    enough = top + height * (1 - ENOUGH)
    parts += [line([(left, enough), (left + width, enough)], "faint")]
    parts += [text(left + width + 8, enough + 10, f"enough: {ENOUGH:g}", "muted")]
    for number in range(0, CAP + 1, 2):
        parts.append(text(left + number * step, top + height + 20, str(number), "muted", "middle"))
    for place, (name, answers, colour) in enumerate(COURSES):
        values = values_of(answers)
        points = [(left + n * step, top + height * (1 - value)) for n, value in enumerate(values, 1)]
        parts.append(line(points, f"curve stroke-{colour}"))
        x, y = points[-1]
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{colour}"/>')
        ended = f"stops after {len(values)}" if values[-1] >= ENOUGH else f"runs to the cap of {len(values)}"
        row = top + height + 50 + place * 20
        parts += [bar(left, row - 10, 22, 10, colour), text(left + 32, row, f"{name}: {ended}")]
    return picture(left + width + 110, top + height + 50 + len(COURSES) * 20, "Certaindex over samples", parts)


def flow_picture() -> str:
    boxes = {
        "program": (190, 60, "the algorithm"),
        "certaindex": (190, 190, "how settled is it?"),
        "allocator": (390, 190, "grant, wait or stop"),
        "scheduler": (390, 60, "whose request is next?"),
        "engine": (590, 60, "vLLM, llama.cpp, ..."),
    }
    parts = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" class="muted"/></marker></defs>',
        bar(170, 30, 390, 240, "faint"),
        text(184, 24, "runtime", "muted"),
    ]
    for name, (x, y, words) in boxes.items():
        parts += [bar(x, y, 150, 54, "box"), text(x + 75, y + 22, name, "bold", "middle")]
        parts.append(text(x + 75, y + 42, words, "muted", "middle"))
    for points, words, (x, y) in (
        ([(96, 87), (188, 87)], "question", (34, 91)),
        ([(340, 80), (388, 80)], "requests", (365, 50)),
        ([(540, 80), (588, 80)], "", (0, 0)),
        ([(588, 100), (542, 100)], "", (0, 0)),
        ([(388, 100), (342, 100)], "completions", (352, 132)),
        ([(240, 114), (240, 188)], "evidence", (176, 155)),
        ([(340, 217), (388, 217)], "", (0, 0)),
        ([(392, 188), (330, 116)], "the next units", (380, 166)),
        ([(190, 105), (60, 105), (60, 200)], "", (0, 0)),
    ):
        parts.append(line(points, "line").replace("/>", ' marker-end="url(#tip)"/>'))
        if words:
            parts.append(text(x, y, words, "muted", "middle" if x == 365 else "start"))
    parts.append(text(60, 220, "answer", "bold", "middle"))
    for number, words in enumerate(("certaindex", "why it stopped", "tokens by kind")):
        parts.append(text(60, 240 + number * 17, words, "muted", "middle"))
    return picture(760, 290, "How a question becomes an answer", parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    course = typical(simulated_courses())
    drawn = {"program": program_picture(course), "certaindex": certaindex_picture(), "flow": flow_picture()}
    for name, svg in drawn.items():
        (folder / f"{name}.svg").write_text(svg)
    print(f"{len(course.requests)} requests of {CAP}, stopped: {course.stop_reason}")
    for name, answers, _ in COURSES:
        print(f"{name}: {', '.join(f'{value:.2f}' for value in values_of(answers))}")


if __name__ == "__main__":
    main()

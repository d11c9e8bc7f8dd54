"""What ``benchmarks.passthrough`` measured, as tables. Every ratio is taken within one repetition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.http_load import Figures

DIRECT = "engine alone"


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to ask."""

    concurrency: int
    stream: bool

    @property
    def name(self) -> str:
        return f"{'streamed' if self.stream else 'whole'}, {self.concurrency} at once"


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm in one cell, once."""

    arm: str
    cell: Cell
    repetition: int
    figures: Figures
    proxy_cpu_s: float | None
    """CPU time of all processes of the proxy during the load."""

    @property
    def requests_per_s(self) -> float:
        return self.figures.requests / self.figures.wall_s

    @property
    def tokens_per_s(self) -> float:
        return self.figures.tokens / self.figures.wall_s


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the repetitions, and the furthest from it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def shown(self, digits: int, scale: float = 1.0) -> str:
        middle, low, high = (f"{value * scale:,.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{middle} ({low} to {high})"


class Results:
    """What was measured, looked up by arm and cell; every figure is taken within one repetition."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self._by_key = {(each.arm, each.cell, each.repetition): each for each in measured}
        self.arms = tuple(dict.fromkeys(each.arm for each in measured))
        self.cells = tuple(dict.fromkeys(each.cell for each in measured))
        self._repetitions = sorted({each.repetition for each in measured})

    def rate(self, arm: str, cell: Cell, of: Callable[[Measured], float]) -> Spread:
        return Spread.of([of(self._by_key[arm, cell, each]) for each in self._repetitions])

    def ratio(self, arm: str, cell: Cell, of: Callable[[Measured], float]) -> Spread:
        """To the engine alone."""
        return Spread.of(
            [of(self._by_key[arm, cell, each]) / of(self._by_key[DIRECT, cell, each]) for each in self._repetitions]
        )

    def cpu_per_request(self, arm: str, cell: Cell) -> Spread:
        return Spread.of([self._cpu_per_request(arm, cell, each) for each in self._repetitions])

    def cpu_per_chunk(self, arm: str, cell: Cell) -> Spread:
        """What a streamed request costs beyond a whole one, for each of its chunks."""
        whole, spent = Cell(cell.concurrency, stream=False), []
        for each in self._repetitions:
            more = self._cpu_per_request(arm, cell, each) - self._cpu_per_request(arm, whole, each)
            figures = self._by_key[arm, cell, each].figures
            spent.append(more * figures.requests / figures.chunks)
        return Spread.of(spent)

    def failures(self) -> Iterator[tuple[str, int]]:
        """How many requests failed in each arm in which any did."""
        for arm in self.arms:
            failed = sum(each.figures.failed for each in self._by_key.values() if each.arm == arm)
            if failed:
                yield arm, failed

    def _cpu_per_request(self, arm: str, cell: Cell, repetition: int) -> float:
        measured = self._by_key[arm, cell, repetition]
        assert measured.proxy_cpu_s is not None, f"{arm} is a proxy"
        return measured.proxy_cpu_s / measured.figures.requests


def report(results: Results) -> Iterator[str]:
    """Markdown, line by line."""
    yield from throughput_table(results)
    yield ""
    yield from cpu_table(results)
    for arm, failed in results.failures():
        yield f"\nFailed requests of {arm}: {failed}"


def throughput_table(results: Results) -> Iterator[str]:
    proxies = [arm for arm in results.arms if arm != DIRECT]
    heads = [f"{arm}: {what}, of direct" for arm in proxies for what in ("requests/s", "tokens/s")]
    yield f"| | {DIRECT}: requests/s | tokens/s | {' | '.join(heads)} |"
    yield "|---" * (3 + len(heads)) + "|"
    for cell in results.cells:
        asked = results.rate(DIRECT, cell, lambda each: each.requests_per_s)
        written = results.rate(DIRECT, cell, lambda each: each.tokens_per_s)
        ratios = [
            results.ratio(arm, cell, of).shown(2)
            for arm in proxies
            for of in (lambda each: each.requests_per_s, lambda each: each.tokens_per_s)
        ]
        yield f"| {cell.name} | {asked.shown(1)} | {written.shown(0)} | {' | '.join(ratios)} |"


def cpu_table(results: Results) -> Iterator[str]:
    proxies = [arm for arm in results.arms if arm != DIRECT]
    yield f"| CPU time | {' | '.join(proxies)} |" + (" LiteLLM's, of ours |" if len(proxies) > 1 else "")
    yield "|---" * (len(proxies) + 1 + (len(proxies) > 1)) + "|"
    for cell in results.cells:
        if cell.stream:
            spent = [results.cpu_per_chunk(arm, cell) for arm in proxies]
            shown = [f"{each.shown(0, 1e6)} µs a chunk" for each in spent]
        else:
            spent = [results.cpu_per_request(arm, cell) for arm in proxies]
            shown = [f"{each.shown(2, 1e3)} ms a request" for each in spent]
        factor = [times(spent[1].median, spent[0].median)] if len(spent) > 1 else []
        yield f"| {cell.name} | {' | '.join([*shown, *factor])} |"


def times(theirs: float, ours: float) -> str:
    return f"{theirs / ours:.1f}" if ours > 0 else "cannot be told"

"""How long programs took, as a figure; needs the extra ``figures``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from dynasor.errors import InputError


def draw_latencies(curves: Mapping[str, Collection[float]], path: Path) -> None:
    """The share of programs that have their answer after so many seconds, a curve for each label, of latencies in
    seconds.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise InputError("a figure needs matplotlib: install the extra `figures`") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4))
    for label, latencies in curves.items():
        shares = [number / len(latencies) for number in range(1, len(latencies) + 1)]
        axis.step(sorted(latencies), shares, where="post", label=label)
    axis.set_xlabel("seconds since a program came")
    axis.set_ylabel("share of programs that have their answer")
    axis.set_xlim(left=0)
    axis.set_ylim(0, 1)
    axis.grid(color="0.9")
    axis.legend(loc="lower right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    undated = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=undated)
    plt.close(figure)

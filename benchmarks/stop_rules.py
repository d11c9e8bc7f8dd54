"""Stop rules side by side on recorded samples of real models: ``python -m benchmarks.stop_rules --traces FOLDER``.

Every rule sees the same questions and orders. Ours and the paper's skyline are calibrated without labels on one half
of the questions of each shuffle; all rules are scored on the other half. Writes a JSON file and prints the table of
the docs.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import orjson

from dynasor.calibration import Looks
from dynasor.cli.replay import score_all
from dynasor.replay import Plan, make_contenders, read_trace
from dynasor.vocabulary import JSON

CAPS = {
    "pot_svamp_codex_30": 20,
    "faithfulcot_gsm8k_codex_15prompts": 15,
    "verifycot_date_chatgpt_10": 10,
    "pot_aqua_codex_30": 20,
    "cruxeval_output_codellama7b_10": 10,
    "tot_game24_gpt4_cot100": 20,
}
RULES = (
    "agreement",
    "threshold",
    "threshold:check_every=5",
    "threshold:detect_at=3,check_every=1",
    "adaptive-consistency",
    "adaptive-consistency:prior=dirichlet",
    "esc",
    "supermajority",
)
SKYLINES = ("skyline", "skyline:detect_at=5,check_every=none", "skyline:detect_at=5,check_every=none,signal=entropy")
TARGETS = (0.99, 0.994, 0.98)


def measure(traces: Path, shuffles: int) -> list[JSON]:
    """One row for each trace, rule and, for ours, target; the skylines are calibrated to the first."""
    rows: list[JSON] = []
    for target in TARGETS:
        is_first = target == TARGETS[0]
        rules = RULES if is_first else ()
        skylines = {text: Looks.of_text(text) for text in SKYLINES if is_first}
        for name, cap in CAPS.items():
            trace = read_trace(traces / f"{name}.jsonl.gz")
            plan = Plan(cap, shuffles, calibrate_on=0.5, target_agreement=target)
            for score in score_all([trace], make_contenders(rules), (), plan, skylines):
                row = score.to_json()
                if row["calibrated"]:
                    row["allocator"] = f"{row['allocator']}, calibrated to {target:.1%}"
                rows.append(row)
    return rows


def table(rows: Sequence[JSON]) -> str:
    """Means over the traces: samples saved, points of accuracy against the cap (and the worst), answers kept."""
    lines = ["| rule | saved | accuracy, points | worst trace | answers kept |", "|---|---|---|---|---|"]
    for rule in dict.fromkeys(row["allocator"] for row in rows):
        own = [row for row in rows if row["allocator"] == rule]
        points = [100 * (row["accuracy"] - row["fixed_accuracy"]) for row in own]
        saved, kept = (statistics.fmean(row[key] for row in own) for key in ("saved", "agreement"))
        mean, worst = statistics.fmean(points), min(points)
        lines.append(f"| {rule} | {saved:.1%} | {mean:+.2f} | {worst:+.2f} | {kept:.2%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="folder with the recorded samples")
    parser.add_argument("--shuffles", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/stop_rules.json"))
    given = parser.parse_args()
    rows = measure(given.traces, given.shuffles)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
    print(table(rows))


if __name__ == "__main__":
    main()

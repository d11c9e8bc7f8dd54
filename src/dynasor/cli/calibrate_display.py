"""What a calibration shows."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from dynasor.calibration import Learned, LearnedSkyline, Reliability
from dynasor.cli.output import open_console, show_table
from dynasor.profile import Profile
from dynasor.scheduling import Agreement, Skyline


def show_profile(profile: Profile, learned: Learned | LearnedSkyline, output: Path) -> None:
    console = open_console()
    expected = profile.expected
    console.print(f"[bold]{output}[/bold]: {profile.promise}")
    console.print(f"expect      {expected.saved:.1%} of the samples saved, {expected.kept:.2%} of the answers kept")
    if expected.harmed is not None and expected.helped is not None:
        console.print(f"accuracy    {expected.helped - expected.harmed:+.2%} of questions against the full budget")
    console.print(f"rule        {rule_line(profile.allocator)}")
    console.print(f"evidence    {learned.questions} questions, a cap of {profile.max_samples}")
    if profile.mean_tokens_per_unit is not None:
        console.print(f"tokens      {profile.mean_tokens_per_unit:.0f} for each unit of the cap, on average")
    show_table(console, reliability_table(learned.reliability))


def rule_line(rule: Agreement | Skyline) -> str:
    if isinstance(rule, Skyline):
        if not rule.curves:
            return "no curve keeps the promise: always to the cap"
        return f"further samples by {rule.signal}, a curve each for {len(rule.curves)} steps from {min(rule.curves)} on"
    gives_up = f", give up below a share of {rule.min_share:.0%}" if rule.min_share else ""
    return f"stop at a chance of change of {rule.max_change:.4f}{gives_up}"


def reliability_table(found: Reliability) -> Table:
    title = f"reliability of agreement (expected calibration error {found.error:.3f})"
    table = Table(title=title, title_justify="left")
    for name in ("predicted", "observed", "times"):
        table.add_column(name, justify="right")
    for decile in found.deciles:
        table.add_row(f"{decile.predicted:.3f}", f"{decile.observed:.3f}", f"{decile.times}")
    return table

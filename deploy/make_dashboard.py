"""Writes the Grafana dashboard: ``python deploy/make_dashboard.py > deploy/grafana.json``."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT, COLUMNS = 12, 8, 2


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph: its title, unit (Grafana's name), and expressions by legend."""

    title: str
    unit: str
    expressions: dict[str, str]

    def to_json(self, number: int) -> dict[str, Any]:
        place = {"h": HEIGHT, "w": WIDTH, "x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT}
        return {
            "id": number + 1,
            "type": "timeseries",
            "title": self.title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}},
            "gridPos": place,
            "targets": [
                {"refId": chr(65 + index), "expr": expression, "legendFormat": legend}
                for index, (legend, expression) in enumerate(self.expressions.items())
            ],
        }


def quantiles(histogram: str, by: str = "program") -> dict[str, str]:
    return {
        f"{name} {{{{{by}}}}}": f"histogram_quantile({share}, "
        f"sum by (le, {by}) (rate(dynasor:{histogram}_bucket[$__rate_interval])))"
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }


def rates(counter: str, by: str) -> dict[str, str]:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return {legend: f"sum by ({by}) (rate(dynasor:{counter}_total[$__rate_interval]))"}


PANELS = (
    Panel(
        "Programs at work",
        "short",
        {"running": "sum(dynasor:num_programs_running)", "waiting": "sum(dynasor:num_programs_waiting)"},
    ),
    Panel("Programs finished, by why", "ops", rates("programs_finished", "program, stop_reason")),
    Panel("Program latency", "s", quantiles("program_latency_seconds")),
    Panel("Time in the queue", "s", quantiles("program_queue_time_seconds")),
    Panel("Time to first token", "s", quantiles("time_to_first_token_seconds")),
    Panel("Tokens by kind", "ops", rates("tokens", "kind")),
    Panel("Tokens saved against the cap (estimate)", "ops", rates("tokens_saved_estimate", "program")),
    Panel("Certaindex at stop", "percentunit", quantiles("certaindex_at_stop")),
    Panel("Requests running, by replica", "short", {"{{replica}}": "dynasor:replica_requests_running"}),
    Panel("Replicas that are not in", "short", {"{{replica}} {{state}}": 'dynasor:replica_state{state!="in"}'}),
    Panel(
        "Time to decide, by started request",
        "s",
        {
            "mean": "rate(dynasor:scheduler_decision_seconds_total[$__rate_interval])"
            " / rate(dynasor:scheduler_started_requests_total[$__rate_interval])"
        },
    ),
    Panel("Tokens by key", "ops", rates("tenant_tokens", "tenant")),
)


def dashboard() -> dict[str, Any]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": "dynasor",
        "title": "Dynasor",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": [panel.to_json(number) for number, panel in enumerate(PANELS)],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    sys.stdout.write("\n")

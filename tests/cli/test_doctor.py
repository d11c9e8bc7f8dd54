"""``dynasor doctor`` on the embedded engine, and on none."""

from __future__ import annotations

import json

from tests.cli.running import dynasor


def test_the_embedded_engine_can_what_dynasor_needs() -> None:
    done = dynasor("doctor", "--json")
    assert done.returncode == 0, done.stdout
    findings = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    for name in ("generation", "chat template", "thinking", "closing the thinking", "leaving aborts"):
        assert findings[name]["status"] == "ok", findings[name]
    assert findings["thinking"]["found"].endswith("--thinking and --no-thinking choose")
    assert findings["priorities"]["status"] == "warning"


def test_an_engine_that_is_not_there() -> None:
    done = dynasor("doctor", "--engine", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert done.stdout.startswith("failed   reachable: cannot connect to http://127.0.0.1:9/v1")
    assert "         change: start the engine, or give its address with --engine" in done.stdout
    assert "0 ok, 0 warning, 1 failed" in done.stdout

"""``dynasor bench profile`` on the embedded engine, and what the simulator makes of it."""

from __future__ import annotations

from pathlib import Path

import orjson
from typer.testing import CliRunner

from dynasor.cli.main import app


def test_an_engine_is_profiled_and_simulated(tmp_path: Path) -> None:
    path = tmp_path / "embedded.json"
    measured = [
        "bench",
        "profile",
        "--engine",
        "embedded",
        "-o",
        str(path),
        "-c",
        "2",
        "--seconds",
        "0.1",
        "--repeats",
        "1",
    ]
    result = CliRunner().invoke(app, measured, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "over 8 flows" in result.output
    stored = orjson.loads(path.read_bytes())
    assert stored["kind"] == "fitted"
    assert len(stored["evidence"]["flows"]) == 8
    assert stored["cost"]["overhead_s"] + stored["cost"]["sequence_s"] + stored["cost"]["token_s"] > 0
    simulated = [
        "simulate",
        "--engine-profile",
        str(path),
        "--programs",
        "3",
        "--policy",
        "gang",
        "--rate",
        "1",
        "-c",
        "2",
    ]
    result = CliRunner().invoke(app, simulated, catch_exceptions=False)
    assert result.exit_code == 0, result.output

"""The files in ``deploy`` fit the server as it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.running import dynasor
from tests.in_process_engine import InProcessEngine, says
from tests.serving.running import serving

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_dashboard_is_as_its_script_makes_it() -> None:
    command = [sys.executable, str(DEPLOY / "make_dashboard.py")]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(made) == json.loads((DEPLOY / "grafana.json").read_text())


async def test_every_metric_of_the_dashboard_is_one_of_the_servers() -> None:
    asked = set(re.findall(r"dynasor:\w+", (DEPLOY / "grafana.json").read_text()))
    async with serving(InProcessEngine(says("2"))) as served:
        await served.chat()
        _, text = await served.get("/metrics")
    families = set(re.findall(r"# TYPE (dynasor:\w+)", text))
    known = families | {f"{family}_bucket" for family in families}
    assert asked <= known, asked - known


def test_the_example_of_a_config_has_options_of_the_verb_only() -> None:
    shown = dynasor("serve", "--help").stdout
    for key in tomllib.loads((DEPLOY / "dynasor.toml").read_text()):
        assert f"--{key}" in shown


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "dynasor.service"
    installed = (DEPLOY / "dynasor.service").read_text().replace("/opt/dynasor/bin/dynasor", "/usr/bin/true")
    unit.write_text(installed)
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert said.returncode == 0 and not said.stderr, said.stderr

"""The page of results has what the stored files have, and a section for each of them only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from benchmarks.online_page import on_the_papers_look
from benchmarks.targets import against_targets
from benchmarks.write_results import draw, page
from dynasor.bench.cells import Cell
from dynasor.bench.report import report
from dynasor.vocabulary import JSON
from tests.bench.test_search import JUDGE, SEARCH, run_to_end


def test_online_results_are_a_section_with_their_ratios(tmp_path: Path) -> None:
    workloads = report(run_to_end(SEARCH), JUDGE, baseline="engine", subject="dynasor")
    (tmp_path / "online.json").write_bytes(orjson.dumps(online_result(workloads)))
    text = page(tmp_path)
    ratio = workloads["votes"]["rate_ratio"]["engine"]
    assert f"{ratio['mean']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})" in text
    assert "ended by its time budget" in text
    assert "### votes" in text
    assert "It rained." in text
    assert "on every workload | -50.0 points [-100.0, +0.0] at worst, votes | **missed** |" in text
    assert "| Dynasor | 100, 25 %; 100 % right | 300, 75 %; 0 % right |" in text
    assert "programs of the engine alone take 1.00 times the tokens of Dynasor's" in text
    assert "Tokens and accuracy" not in text
    draw(tmp_path, tmp_path / "figures")
    assert {each.name for each in (tmp_path / "figures").iterdir()} == {"online-votes.svg", "online-trees.svg"}


def online_result(workloads: JSON) -> JSON:
    """What ``benchmarks.online`` stores, all but the workloads made up."""
    return {
        "versions": {"python": "3.11"},
        "engine": {"kind": "vllm", "model": "tiny"},
        "engine_options": "--max-num-seqs 64",
        "is_complete": False,
        "peak_memory_mib": 90.0,
        "workloads": workloads,
        "runs": {name: online_run(name, cap=20) for name in workloads},
    }


def online_run(program: str, cap: int, **settings: object) -> JSON:
    workload = {"paper": "paper/sc-gsm8k", "cap": cap}
    return {
        "command": "dynasor bench online",
        "machine": {"processor": "an abacus", "cores": 1, "system": "none"},
        "conditions": "It rained.",
        "settings": {"trials": 20, "questions": ["easy", "hard"], "workloads": {program: workload}, **settings},
        "sustained": {"concurrency": 64, "tokens_per_s": 100.0},
        "difficulties": {"1": 1, "3": 1},
        "alone_s": {program: 0.5},
    }


def test_a_lower_cap_shows_what_accuracy_costs_and_is_no_workload_of_its_own(tmp_path: Path) -> None:
    votes = report(run_to_end(SEARCH), JUDGE, baseline="engine", subject="dynasor")["votes"]
    result = online_result({"votes": votes, "votes-20": votes, "votes-5": votes})
    for cap in (5, 20):
        result["runs"][f"votes-{cap}"] = online_run("votes", cap=cap, deadline_s={"votes": 1.0})
    (tmp_path / "online.json").write_bytes(orjson.dumps(result))
    text = page(tmp_path)
    assert text.count("| votes |") == 1, "the headline has one row"
    assert "| votes-5 |" not in text
    table = text.split("### What accuracy costs in rate: votes")[1].split("###")[0]
    assert "| programs/s, accuracy (95 %) | the engine alone |" in table
    assert table.index("| cap 20 |") < table.index("| cap 5 |")
    assert "the base deadline is given, " in text
    draw(tmp_path, tmp_path / "figures")
    assert (tmp_path / "figures" / "online-accuracy-votes.svg").exists()


def test_it_is_said_where_the_papers_rule_can_stop_nothing() -> None:
    with_paper: JSON = {"arms": {"engine": {}, "paper": {}}}

    def remark(cap: int, found: JSON = with_paper) -> str:
        return on_the_papers_look(found, online_run("votes", cap)["settings"])

    assert "first time when 5 units of its knob have ended" in remark(5)
    assert remark(6) == remark(20) == remark(5, {"arms": {"engine": {}}}) == ""


def test_what_was_asked_is_open_while_a_workload_is_missing_or_only_bounded() -> None:
    def workload(rate: float, bounds: Sequence[str] = (), lost: float = 0.0) -> JSON:
        ratio = {"mean": rate, "lowest": rate, "highest": rate, "bounds": bounds}
        arms = {"dynasor": {"accuracy_difference": {"mean": lost, "interval": [lost, lost]}}}
        return {"rate_ratio": {"engine": ratio, "paper": ratio}, "borne_ratio": {}, "slo_ratio": {}, "arms": arms}

    def verdicts(**workloads: JSON) -> list[str]:
        lines = list(against_targets({name.replace("_", "-"): each for name, each in workloads.items()}))
        return [lines[number].split(" | ")[-1].rstrip(" |") for number in (2, 3, 4, 10)]

    some = {"self_consistency": workload(2.5), "rebase": workload(3.4)}
    assert verdicts(**some) == ["kept", "open", "open", "open"]
    all_that_sample = some | {"mcts": workload(2.0)}
    assert verdicts(**all_that_sample) == ["kept", "kept", "open", "open"]
    whole = all_that_sample | {"chain_of_thought": workload(1.1, lost=-0.02)}
    assert verdicts(**whole) == ["kept", "kept", "kept", "**missed**"]
    assert verdicts(**whole | {"mcts": workload(2.5, ["at most"])}) == ["kept", "open", "open", "**missed**"]
    assert verdicts(**whole | {"mcts": workload(9.5, ["at most"])}) == ["kept", "open", "open", "**missed**"]
    assert verdicts(**whole | {"mcts": workload(2.5, ["at least"])}) == ["kept", "kept", "kept", "**missed**"]
    assert verdicts(**some | {"mcts": workload(1.5)}) == ["kept", "**missed**", "open", "open"]
    assert verdicts(**whole | {"rebase_16": workload(1.5)}) == ["kept", "**missed**", "kept", "**missed**"]
    without = {name: each for name, each in whole.items() if name != "rebase"}
    assert verdicts(**without | {"rebase_16": workload(3.4)}) == ["kept", "open", "open", "**missed**"]


def test_a_ratio_that_is_only_bounded_is_marked() -> None:
    from benchmarks.result_pages import spread

    found = {"mean": 2.0, "lowest": 2.0, "highest": 2.0}
    assert spread(found | {"bounds": ["at least"]}) == "≥ 2.00 (2.00 to 2.00)"
    assert spread(found | {"bounds": []}) == "2.00 (2.00 to 2.00)"
    assert spread(found | {"bounds": ["at least", "at most"]}).startswith("? ")


def test_reports_of_several_programs_are_one_only_where_they_ran_alike() -> None:
    from benchmarks.online_reports import COMMON, OF_A_RUN, merged

    def of(program: str, **other: object) -> dict[str, object]:
        same: dict[str, object] = dict.fromkeys((*COMMON, *OF_A_RUN), "the same")
        return (
            same
            | {"machine": {"processor": f"one for {program}", "cores": 1}}
            | {"is_complete": True, "peak_memory_mib": 1.0, "workloads": {program: {}}}
            | other
        )

    reports = {"mcts": of("mcts"), "rebase": of("rebase", peak_memory_mib=3.0, command="another")}
    found = merged(reports)
    assert list(found["workloads"]) == ["mcts", "rebase"]
    assert found["runs"]["rebase"]["command"] == "another"
    assert found["peak_memory_mib"] == 3.0
    assert found["machine"] == {"processor": ["one for mcts", "one for rebase"], "cores": 1}
    assert found["runs"]["mcts"]["machine"] == {"processor": "one for mcts", "cores": 1}
    assert not found["is_complete"], "two programs are missing"
    with pytest.raises(ValueError, match="versions of rebase"):
        merged(reports | {"rebase": of("rebase", versions="newer")})


def test_a_report_is_made_anew_from_raw_results_alone(tmp_path: Path) -> None:
    from benchmarks.online_reports import made_anew

    cells = [cell for cell in run_to_end(SEARCH) if cell.workload == "votes"]
    lines: list[JSON] = [{"kind": "run"}, {"kind": "trials", "of": 2, "right": {"easy": 2, "hard": 0}}]
    lines += [{"kind": "cell"} | cell.to_json() for cell in cells]
    raw = tmp_path / "votes-5.jsonl"
    raw.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    base_s = JUDGE.base_s["votes"]
    stored = {
        "command": "as it was",
        "sustained": {"tokens_per_s": 7.0},
        "workloads": {"votes": {"base_deadline_s": base_s, "of": "an older form"}},
    }
    found = made_anew(stored, raw, "votes-5")
    assert found["command"] == "as it was"
    wanted = report([Cell.of_json(line) for line in lines[2:]], JUDGE, baseline="engine", subject="dynasor")
    assert found["workloads"] == wanted
    assert found["workloads"]["votes"]["rate_ratio"]["engine"]["mean"] == pytest.approx(3.0, rel=0.03)


def test_a_program_at_another_cap_has_results_of_its_own(tmp_path: Path) -> None:
    from benchmarks.online_reports import merged, name_of, reports_in

    assert [name_of(program, {"rebase": 16}) for program in ("rebase", "mcts")] == ["rebase-16", "mcts"]
    for name in ("rebase-16", "mcts", "rebase", "self-consistency"):
        (tmp_path / f"{name}.json").touch()
    assert list(reports_in(tmp_path)) == ["self-consistency", "rebase", "rebase-16", "mcts"]
    one: JSON = defaultdict(str, machine={}, is_complete=True, peak_memory_mib=1.0, workloads={"rebase": {"of": 16}})
    assert merged({"rebase-16": one})["workloads"] == {"rebase-16": {"of": 16}}


def test_without_results_there_is_no_section(tmp_path: Path) -> None:
    assert "## " not in page(tmp_path)

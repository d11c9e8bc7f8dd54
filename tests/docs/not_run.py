"""What of the pages is not run, and why. An entry that fits nothing is an error, and so is a block in no entry."""

from __future__ import annotations

NOT_RUN: dict[tuple[str, str], str] = {
    ("README.md", "make demo"): "the whole job, minutes long; CI's tests run its parts",
    ("README.md", "make test"): "it would run these tests",
    ("README.md", "source .venv/bin/activate"): "the tests run in their environment already",
    ("docs/quickstart.md", "make setup"): "the tests run in what it made",
    ("docs/quickstart.md", "source .venv/bin/activate"): "the tests run in their environment already",
    ("docs/benchmarks.md", "dynasor bench"): "an hour on an engine; tests/bench runs small ones",
    ("docs/benchmarks.md", "make test-vllm"): "installs vLLM; CI does it",
    ("docs/benchmarks.md", "make .venv-rivals"): "installs its_hub",
    ("docs/benchmarks.md", "DYNASOR_VLLM_PYTHON="): "an hour on real vLLM",
    ("docs/benchmarks.md", "make bench-quick"): "some minutes; tests/bench/test_quick.py runs its smallest form",
    ("docs/benchmarks.md", "python -m benchmarks.scale"): "a quarter of an hour; tests/bench/test_scale.py",
    ("docs/benchmarks.md", "python -m benchmarks.write_results"): "writes a page of the repository from stored results",
    ("docs/chat.md", "dynasor chat --url https://api.example.com"): "a hosted server",
    ("docs/simulate.md", "dynasor bench profile"): "minutes of an engine to itself; tests/bench/test_profiling.py",
    ("docs/simulate.md", "dynasor simulate --engine-profile mine.json"): "takes the profile that the line above makes",
    ("docs/simulate.md", "DYNASOR_VLLM_PYTHON="): "real vLLM, for most of an hour",
    ("docs/rewards.md", "vllm serve"): "takes a GPU and a download; make test-vllm runs such endpoints",
}
"""Commands by their page and how they begin."""

SHOWN: dict[tuple[str, str], str] = {
    ("docs/chat.md", "> A shop has"): "what a chat looks like; tests/chat types one into a terminal",
    ("docs/simulate.md", "200 programs on"): "what the command above prints",
    ("docs/write-a-program.md", "while frontier"): "the loop of examples/game_of_24.py, which has tests of its own",
    ("docs/design/budget.md", "dynasor replay pot_svamp"): "how the table was measured; the traces are not shipped",
}
"""Blocks that are read and not run, by their page and how they begin."""

MADE_BY_A_COMMAND = {
    "docs/python.md": "python -m scripts.python_reference; tests/scripts holds it to the code",
    "docs/cli.md": "made from the options of the commands",
    "docs/results.md": "made from stored results",
}
"""Pages whose blocks a command wrote."""

WITH_A_STAND_IN = {
    "docs/calibration.md": "calibration takes more samples than the embedded model writes in a minute",
}
"""Pages on which commands that name no engine ask a scripted server."""

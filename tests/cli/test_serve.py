"""``dynasor serve`` as a process, on the embedded model: it starts, answers, and shuts down in order."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dynasor.profile import Expected, Profile, Promise
from dynasor.scheduling import Agreement
from tests.cli.running import COMMAND, NO_TERMINAL, dynasor, hear_interrupts
from tests.engines.scripted import OK, ScriptedServer, status

QUESTION = "A shop has 7 boxes of 12 pens. How many pens are there?"
KEY = "sk-test-0123456789abcdef"


class Serving:
    """The process and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self.url = ""

    def wait_for(self, words: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"it never said {words!r}, but:\n{''.join(self.said)}")

    def wait_until_it_serves(self) -> None:
        self.url = self.wait_for("dynasor serves").split(" at ")[1].strip().removesuffix("/v1")

    def ask(self, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def end(self, *signals: signal.Signals) -> int:
        for each in signals:
            self.process.send_signal(each)
            time.sleep(0.3)
        return self.process.wait(timeout=30)


@contextmanager
def launched(*arguments: str | Path) -> Iterator[Serving]:
    """It may not listen yet."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=NO_TERMINAL,
        preexec_fn=hear_interrupts,
    )
    try:
        yield Serving(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def started(*arguments: str | Path) -> Iterator[Serving]:
    with launched(*arguments) as serving:
        serving.wait_until_it_serves()
        yield serving


def chat(**dynasor: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": QUESTION}], "dynasor": dynasor}


def test_it_answers_with_a_key_and_ends_when_told(tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(f"me:{KEY}\n")
    with started("--api-key-file", keys, "--client-limit", "max_request_samples=4") as serving:
        assert "dynasor-tiny" in serving.said[0]
        serving.wait_for("tiny and was trained from scratch")
        assert serving.ask("/v1/chat/completions", chat())[0] == 401
        status, answer = serving.ask("/v1/chat/completions", chat(), KEY)
        assert (status, answer["dynasor"]["program"], answer["dynasor"]["answer"]) == (200, "chain-of-thought", "84")
        status, refused = serving.ask("/v1/chat/completions", chat(max_samples=5), KEY)
        assert (status, refused["error"]["param"]) == (400, "dynasor.max_samples")
        assert serving.end(signal.SIGTERM) == 0
        assert serving.process.stderr is not None
        log = "".join(serving.said) + serving.process.stderr.read()
        assert KEY not in log
        assert QUESTION not in log


def test_at_shutdown_programs_answer_with_what_they_have() -> None:
    long = {**chat(program="self-consistency", max_samples=256, allocator="fixed"), "max_tokens": 1000}
    got: list[tuple[int, Any]] = []
    with started("--grace-s", "0.2") as serving:
        asking = threading.Thread(target=lambda: got.append(serving.ask("/v1/chat/completions", long)))
        asking.start()
        while not any(each["samples"] for each in serving.ask("/v1/programs")[1]["data"]):
            time.sleep(0.02)
        serving.process.send_signal(signal.SIGTERM)
        status, refused = serving.ask("/health/ready")
        while status == 200:
            status, refused = serving.ask("/health/ready")
        assert (status, refused["why"]) == (503, "the server is shutting down")
        asking.join(20)
        assert serving.process.wait(20) == 0
    [(status, answer)] = got
    assert (status, answer["dynasor"]["stop_reason"]) == (200, "stopped")
    assert answer["dynasor"]["samples"] > 0


def test_a_second_signal_does_not_wait() -> None:
    long = {**chat(program="self-consistency", max_samples=256, allocator="fixed"), "max_tokens": 1000}
    with started("--grace-s", "100") as serving:
        cut_off: list[Exception] = []

        def ask() -> None:
            try:
                serving.ask("/v1/chat/completions", long)
            except (OSError, http.client.HTTPException) as error:
                cut_off.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not serving.ask("/v1/programs")[1]["data"]:
            time.sleep(0.02)
        began = time.monotonic()
        serving.end(signal.SIGINT, signal.SIGINT)
        assert time.monotonic() - began < 10
        asking.join(20)
        assert cut_off


def test_a_file_of_options_and_flags_that_go_before_it(tmp_path: Path) -> None:
    config = tmp_path / "dynasor.toml"
    config.write_text(
        'program = "self-consistency"\nmax-samples = 3\npolicy = "gang"\nclient-limit = ["max_waiting=9"]\n'
    )
    with started("--config", config, "--policy", "fcfs", "--seed", "5") as serving:
        assert "self-consistency" in serving.wait_for("program")
        assert "fcfs" in serving.wait_for("policy")
        answer = serving.ask("/v1/chat/completions", {**chat(), "dynasor": {"allocator": "fixed"}})[1]
        assert answer["dynasor"]["samples"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--policy", "luck"), "--policy is 'luck'; choose fcfs, gang"),
        (("--engine", "nowhere"), "engine 'nowhere' is unknown"),
        (("--client-limit", "max_waitin=1"), "--client-limit has no parameter 'max_waitin'; it takes max_body_bytes="),
        (("--client-limit", "max_waiting=0"), "max_waiting is 0; a number above 0 was expected"),
        (("--api-key-file", "none.txt"), "none.txt: there is no such key file"),
        (("--config", "none.toml"), "none.toml: there is no such file"),
        (("--audit-share", "0.1"), "--audit-share watches over a --profile"),
        (("--log-level", "loud"), "--log-level is 'loud'"),
        (("--program", "luck"), "there is no program 'luck'"),
    ],
)
def test_options_that_cannot_be_used(arguments: tuple[str, ...], message: str) -> None:
    done = dynasor("serve", "--port", "0", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "has 'colour', which is no option; known are allocator, answers, api-key"),
        ("[serve]\nport = 1", "has 'serve', which is no option"),
        ("port = [1]", "port is a list; a single value was expected"),
        ("port = ", "is not TOML"),
    ],
)
def test_files_of_options_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "dynasor.toml"
    config.write_text(text)
    done = dynasor("serve", "--config", config)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


def test_an_open_door_is_pointed_out() -> None:
    with started("--host", "0.0.0.0", "--program", "pass-through") as serving:
        assert any("WARNING: 0.0.0.0 can be reached from other machines" in line for line in serving.said)
        assert serving.ask("/health")[0] == 200


async def test_an_engine_that_is_still_starting_is_waited_for() -> None:
    async with ScriptedServer() as late:
        port, url = late.port, late.url
        await late.stop_listening()
        with launched("-e", url, "--wait-s", "60") as serving:
            await asyncio.to_thread(serving.wait_for, "waiting up to 60 s for it: cannot connect")
            await late.listen(port)
            await asyncio.to_thread(serving.wait_until_it_serves)


async def test_a_replica_that_is_busy_is_left_for_another_at_once() -> None:
    """And each is named, once, that would not hear of priorities."""
    async with ScriptedServer() as busy, ScriptedServer() as free:
        busy.replies, free.replies = [status(503, "busy", Retry_After="30")], [OK]
        urls = [busy.url, free.url]
        answer, said = await asyncio.to_thread(
            ask_once, "-e", urls[0], "-e", urls[1], "--program", "self-consistency", "-n", "1"
        )
    assert (answer[0], answer[1]["dynasor"]["samples"]) == (200, 1)
    assert (len(busy.bodies), len(free.bodies)) == (1, 1)
    for url in urls:
        [warning] = [line for line in said if "priorities may have no effect" in line and url in line]
        assert "WARNING" in warning and "--scheduling-policy priority" in warning


def ask_once(*arguments: str) -> tuple[tuple[int, Any], list[str]]:
    """What a server with these options answers, and what it said by the time it listened."""
    with started(*arguments) as serving:
        return serving.ask("/v1/chat/completions", chat()), serving.said


def test_a_profile_is_gone_by_and_audited(tmp_path: Path) -> None:
    """With its program's parameters, as `dynasor batch` has them."""
    profile = Profile(
        model="dynasor-tiny",
        dataset="none",
        program="self-consistency-chains",
        max_samples=2,
        allocator=Agreement(0.5),
        promise=Promise("agreement", 0.95),
        expected=Expected(0.7, 0.95),
        settings=("effort=low",),
    )
    profile.save(tmp_path / "profile.json")
    with started("--profile", tmp_path / "profile.json", "--audit-share", "1") as serving:
        answer = serving.ask("/v1/chat/completions", chat())[1]["dynasor"]
        assert (answer["program"], answer["answer"]) == ("self-consistency-chains", "84")
        with urllib.request.urlopen(serving.url + "/metrics") as response:
            assert b"dynasor:audited_programs_total 1.0" in response.read()
    other = dynasor("serve", "--port", "0", "--profile", tmp_path / "profile.json", "--program", "self-consistency")
    assert "the profile is of the program 'self-consistency-chains', this run has 'self-consistency'" in other.stderr

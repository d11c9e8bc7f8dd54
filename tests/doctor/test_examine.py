"""Each ability that an engine lacks is found, and only that."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dynasor.doctor import Examination, Finding, Status, examine
from dynasor.errors import InputError
from tests.doctor.scripted_engine import ScriptedPatient
from tests.engines.scripted import ScriptedServer, status


@pytest.fixture
async def patient() -> AsyncIterator[ScriptedPatient]:
    async with ScriptedServer() as server:
        yield ScriptedPatient(server)


async def examined(patient: ScriptedPatient) -> Examination:
    return await examine(patient.server.url)


def not_ok(found: Examination) -> dict[str, Finding]:
    return {finding.check: finding for finding in found.findings if finding.status is not Status.OK}


async def test_an_engine_with_everything_is_well(patient: ScriptedPatient) -> None:
    told: list[Finding] = []
    found = await examine(patient.server.url, told=told.append)
    assert not_ok(found) == {}
    assert told == list(found.findings)
    assert [finding.check for finding in found.findings] == [
        *("reachable", "model", "context length", "generation", "chat template", "thinking", "closing the thinking"),
        *("prefix caching", "leaving aborts", "priorities", "cache in use", "log-probabilities", "n"),
    ]
    said = {finding.check: finding.found for finding in found.findings}
    assert said["thinking"] == "this model thinks; --thinking and --no-thinking choose"
    assert said["closing the thinking"] == "asked for its answer so far, it says '84'"
    assert "taken (smaller first, sent as they are)" in said["priorities"]
    assert not found.has_failed


@pytest.mark.parametrize(
    ("ability", "value", "check", "status", "change"),
    [
        ("closes_box", False, "closing the thinking", Status.WARNING, "--set end_think="),
        ("caches", False, "prefix caching", Status.WARNING, "without --no-enable-prefix-caching"),
        ("tells_cached", False, "prefix caching", Status.WARNING, "--enable-prompt-tokens-details"),
        ("aborts", False, "leaving aborts", Status.FAILED, "close its connection"),
        ("policy", "fcfs", "priorities", Status.WARNING, "--scheduling-policy priority"),
        ("takes_priority", False, "priorities", Status.FAILED, "--scheduling-policy priority"),
        ("has_logprobs", False, "log-probabilities", Status.WARNING, "--max-logprobs"),
        ("most_choices", 1, "n", Status.WARNING, ""),
    ],
)
async def test_what_is_missing_is_found_with_what_to_change(
    patient: ScriptedPatient, ability: str, value: object, check: str, status: Status, change: str
) -> None:
    setattr(patient, ability, value)
    found = not_ok(await examined(patient))
    assert list(found) == [check]
    assert found[check].status is status
    assert change in (found[check].change or "")
    assert found[check].means


async def test_without_a_template_chains_cannot_be_probed(patient: ScriptedPatient) -> None:
    patient.renders = False
    found = not_ok(await examined(patient))
    assert list(found) == ["chat template", "closing the thinking"]
    assert "/tokenize" in (found["chat template"].change or "")


async def test_a_model_that_does_not_think_is_well(patient: ScriptedPatient) -> None:
    patient.thinks = False
    found = await examined(patient)
    assert not_ok(found) == {}
    assert "does not think" in next(each.found for each in found.findings if each.check == "thinking")


async def test_without_metrics_aborts_cannot_be_seen(patient: ScriptedPatient) -> None:
    patient.has_metrics = False
    assert list(not_ok(await examined(patient))) == ["leaving aborts", "cache in use"]


async def test_an_engine_at_work_is_not_measured(patient: ScriptedPatient) -> None:
    patient.running = 3
    found = not_ok(await examined(patient))
    assert found["leaving aborts"].found == "not tried: the engine works on 3 requests of others"


async def test_a_long_answer_that_is_refused_says_nothing_of_aborts(patient: ScriptedPatient) -> None:
    patient.ignores_eos = False
    found = not_ok(await examined(patient))
    assert found["leaving aborts"].found == "not tried: a long answer is refused with HTTP 400"


async def test_a_short_context_and_a_hosted_engine() -> None:
    async with ScriptedServer() as server:
        patient = ScriptedPatient(server, kind="openai", context=1024)
        found = not_ok(await examined(patient))
    assert "1024 tokens" in found["context length"].found
    assert found["priorities"].found == "engines of kind 'openai' have none, and are sent none"


async def test_an_engine_that_breaks_fails_where_it_matters(patient: ScriptedPatient) -> None:
    patient.server.replies = [status(500, {"error": {"message": "out of memory"}})]
    found = await examined(patient)
    assert found.has_failed
    assert "out of memory" in not_ok(found)["generation"].found


async def test_nobody_there() -> None:
    found = await examine("http://127.0.0.1:9")
    assert not found.is_reachable
    assert [each.check for each in found.findings] == ["reachable"]


async def test_a_model_that_is_not_served_is_an_input_error(patient: ScriptedPatient) -> None:
    with pytest.raises(InputError, match="model 'other' is not served"):
        await examine(patient.server.url, model="other")

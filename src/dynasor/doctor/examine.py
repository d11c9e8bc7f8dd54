"""All checks of one engine, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from dynasor.doctor.checks import (
    Check,
    check_cache_metric,
    check_choices,
    check_closing,
    check_context,
    check_logprobs,
    check_model,
    check_priorities,
    check_streaming,
    check_template,
    check_thinking,
)
from dynasor.doctor.finding import Examination, Finding
from dynasor.doctor.measured import check_aborts, check_prefix_cache
from dynasor.doctor.patient import Examined, Patient
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.opening import EMBEDDED, is_local
from dynasor.errors import EngineError, InputError

SILENCE_S = 60.0
LOCAL_SLOTS = 2
LOCAL_CONTEXT = 4096
CHECKS: Mapping[str, Check] = {
    "model": check_model,
    "context length": check_context,
    "generation": check_streaming,
    "chat template": check_template,
    "thinking": check_thinking,
    "closing the thinking": check_closing,
    "prefix caching": check_prefix_cache,
    "leaving aborts": check_aborts,
    "priorities": check_priorities,
    "cache in use": check_cache_metric,
    "log-probabilities": check_logprobs,
    "n": check_choices,
}
NEEDED = ("generation",)
"""Where one of these breaks, Dynasor does not work; the others are abilities."""

LONGEST_CHECK_S = 120.0
"""However much an engine goes on to write."""

Told = Callable[[Finding], None]


def say_nothing(finding: Finding) -> None:
    """For an examination that nobody watches."""


async def examine(
    spec: str, *, model: str | None = None, api_key: str | None = None, told: Told = say_nothing
) -> Examination:
    """Ask the engine that ``spec`` names some twenty short requests; ``told`` hears each finding as it comes.

    Raises:
        InputError: ``spec`` is no engine, the model is not served, or none was named and there are several.
    """
    findings = []
    try:
        async with open_patient(spec, model, api_key) as engine:
            async for finding in findings_about(Patient(engine), spec):
                told(finding)
                findings.append(finding)
    except EngineError as error:
        finding = Finding.failed(
            "reachable", str(error), "nothing works without it", "start the engine, or give its address with --engine"
        )
        told(finding)
        return Examination(spec, [*findings, finding], is_reachable=False)
    return Examination(spec, findings)


def open_patient(spec: str, model: str | None, api_key: str | None) -> Examined:
    if not is_local(spec):
        return OpenAIEngine(spec, model=model, api_key=api_key, max_attempts=1, silence_timeout_s=SILENCE_S)
    if model is not None:
        raise InputError(f"--model is for an engine at a URL; {spec} is a model by itself")
    path = None if spec == EMBEDDED else spec
    return EmbeddedEngine(path, slots=LOCAL_SLOTS, context_per_slot=LOCAL_CONTEXT)


async def findings_about(patient: Patient, spec: str) -> AsyncIterator[Finding]:
    yield Finding.ok("reachable", f"{spec} answers", "requests can be sent")
    for name, check in CHECKS.items():
        yield await checked(name, check, patient)


async def checked(name: str, check: Check, patient: Patient) -> Finding:
    """The finding of ``check``, or that the engine broke while it was made, or took longer than ``LONGEST_CHECK_S``."""
    try:
        async with asyncio.timeout(LONGEST_CHECK_S):
            return await check(patient)
    except TimeoutError:
        said = f"it was still at it after {LONGEST_CHECK_S:g} s"
    except EngineError as error:
        said = str(error)
    told = Finding.failed if name in NEEDED else Finding.warning
    return told(name, f"the engine did not answer: {said}", "what needs this will fail", None)

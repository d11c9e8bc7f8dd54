"""From what a request wants to what is run: its program, its allocator, its options. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dynasor.errors import InputError
from dynasor.parameters import parameters_of
from dynasor.programs import PROGRAMS, Program, load_program
from dynasor.runtime import Options
from dynasor.scheduling import Agreement, Allocator, Fixed, make_allocator
from dynasor.serving.refusals import Refusal, Refused
from dynasor.serving.requests import ENABLE_THINKING, PASS_THROUGH, TEMPLATE, Envelope, Wants
from dynasor.vocabulary import Sampling

NO_THINKING = "none"
UNBOUNDED = "max"
CHAIN_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    UNBOUNDED: "high",
}
"""OpenAI's names for how long to think, and the effort of a chain of thought that each stands for. Under ``max``,
besides, a chain is never stopped early."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server has to offer, and what it does where a request does not say.

    ``make_program`` takes a name and the program's parameters as text. Of ``programs`` a request may name any; no
    other can be loaded by it.
    """

    model: str
    programs: tuple[str, ...]
    default_program: str
    make_program: Callable[[str, Mapping[str, str]], Program]
    allocator: Allocator
    options: Options
    default_settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Parameters of the default program."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run for one request. One that ``is_as_offered`` goes by the server's own rule: program, parameters, cap,
    allocator and thinking are those of a request that says nothing."""

    program_name: str
    program: Program
    allocator: Allocator
    options: Options
    is_as_offered: bool


def program_for(envelope: Envelope, offer: Offer, *, is_chat: bool) -> str:
    """The name of the program that a request gets.

    Where it names none: to continue a raw text is the engine's work, as is an answer without thinking.
    """
    named = envelope.wants.program
    if named is None:
        is_plain = not (is_chat or envelope.has_wants) or effort_of(envelope) == NO_THINKING
        return PASS_THROUGH if is_plain else offer.default_program
    if named != PASS_THROUGH and named not in offer.programs:
        choices = ", ".join((*offer.programs, PASS_THROUGH))
        message = f"dynasor.program is {named!r}; one of {choices} was expected"
        if named in PROGRAMS:
            message += f" ({named} needs a reward: `dynasor serve --reward`)"
        raise Refused(Refusal.bad_field("dynasor.program", message, "unknown_program"))
    return named


def effort_of(envelope: Envelope) -> str | None:
    """A template that is told not to think asks for the same as the effort ``none``."""
    effort = envelope.wants.effort or envelope.reasoning_effort
    return NO_THINKING if effort is None and envelope.thinking is False else effort


def plan_for(envelope: Envelope, program_name: str, offer: Offer, tenant: str) -> Plan:
    """What to run for a request that the program called ``program_name`` answers."""
    wants = envelope.wants
    settings, thinking = settings_for(envelope, program_name, offer)
    with blamed_on("dynasor.set"):
        program = offer.make_program(program_name, settings)
    sampling = offer.options.sampling
    allocator = allocator_for(wants, offer, is_unbounded=effort_of(envelope) == UNBOUNDED and "effort" in settings)
    max_samples = wants.max_samples or offer.options.max_samples
    return Plan(
        program_name,
        program,
        allocator,
        dataclasses.replace(
            offer.options,
            max_samples=max_samples,
            deadline_s=wants.deadline_s or offer.options.deadline_s,
            sampling=sampling if thinking is None else dataclasses.replace(sampling, thinking=thinking),
            priority=wants.priority,
            tenant=tenant,
            mean_tokens_per_unit=offer.options.mean_tokens_per_unit if program_name == offer.default_program else None,
        ),
        is_as_offered=(program_name, settings, allocator, max_samples)
        == (offer.default_program, offer.default_settings, offer.allocator, offer.options.max_samples)
        and thinking in (None, sampling.thinking),
    )


def relay_options(envelope: Envelope, offer: Offer, tenant: str) -> Options:
    """How a request that is passed through waits for its turn."""
    wants = envelope.wants
    deadline_s = wants.deadline_s or offer.options.deadline_s
    return Options(deadline_s=deadline_s, priority=wants.priority, tenant=tenant, sampling=Sampling())


def settings_for(envelope: Envelope, program_name: str, offer: Offer) -> tuple[Mapping[str, str], bool | None]:
    """The program's parameters, and whether samples shall think (None: as the server says)."""
    wants, effort = envelope.wants, effort_of(envelope)
    base = offer.default_settings if program_name == offer.default_program else {}
    settings = {**base, **wants.settings}
    if (effort is None and not envelope.thinking) or "effort" in wants.settings:
        return settings, None
    takes_effort = "effort" in parameters_of(load_program(program_name))
    if effort is None:
        return settings, None if takes_effort else True
    if takes_effort:
        return settings | {"effort": chain_effort(effort, envelope, program_name)}, None
    if effort == NO_THINKING:
        return settings, False
    if wants.effort is not None:
        message = f"dynasor.effort is {effort!r}, but the program {program_name} takes no effort"
        raise Refused(Refusal.bad_field("dynasor.effort", message))
    return settings, None


def chain_effort(effort: str, envelope: Envelope, program_name: str) -> str:
    if effort in CHAIN_EFFORTS:
        return CHAIN_EFFORTS[effort]
    if envelope.wants.effort is not None:
        name, asked = "dynasor.effort", '"none"'
    elif envelope.reasoning_effort is not None:
        name, asked = "reasoning_effort", '"none"'
    else:
        name, asked = f"{TEMPLATE}.{ENABLE_THINKING}", "false"
    message = f"{name} is {asked}, but the program {program_name} thinks; {PASS_THROUGH} answers without thinking"
    raise Refused(Refusal.bad_field(name, message))


def allocator_for(wants: Wants, offer: Offer, *, is_unbounded: bool) -> Allocator:
    if wants.allocator is not None:
        with blamed_on("dynasor.allocator"):
            allocator = make_allocator(wants.allocator)
    else:
        allocator = Fixed() if is_unbounded else offer.allocator
    if wants.max_change is None:
        return allocator
    if not isinstance(allocator, Agreement):
        message = f"dynasor.max_change is for the allocator agreement; this request has {type(allocator).__name__}"
        raise Refused(Refusal.bad_field("dynasor.max_change", message))
    with blamed_on("dynasor.max_change"):
        return dataclasses.replace(allocator, max_change=wants.max_change, max_chain_change=wants.max_change)


@contextmanager
def blamed_on(param: str) -> Iterator[None]:
    """An InputError in the block is the fault of the request's member ``param``."""
    try:
        yield
    except InputError as error:
        raise Refused(Refusal.bad_field(param, str(error))) from error

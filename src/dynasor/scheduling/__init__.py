"""Pure decisions: what a program may spend (allocators) and whose request runs next (scheduler, policies)."""

from dynasor.scheduling.allocators import (
    ALLOCATORS,
    Agreement,
    Allocator,
    Fixed,
    Threshold,
    Worth,
    as_served,
    make_allocator,
    watch,
)
from dynasor.scheduling.budget import Budget, BudgetedProgram, BudgetKeeper, BudgetUnit
from dynasor.scheduling.capacity import AdaptiveCapacity
from dynasor.scheduling.expectation import UnitTokens, expected_tokens, expected_units
from dynasor.scheduling.policies import POLICIES, Policy
from dynasor.scheduling.presets import PRESETS, Preset, preset
from dynasor.scheduling.scheduler import Scheduler, WaitingProgram
from dynasor.scheduling.skyline import Curve, Skyline
from dynasor.scheduling.ticket import ProgramEntry, Start, Ticket

__all__ = [
    "ALLOCATORS",
    "POLICIES",
    "PRESETS",
    "AdaptiveCapacity",
    "Agreement",
    "Allocator",
    "Budget",
    "BudgetKeeper",
    "BudgetUnit",
    "BudgetedProgram",
    "Curve",
    "Fixed",
    "Policy",
    "Preset",
    "ProgramEntry",
    "Scheduler",
    "Skyline",
    "Start",
    "Threshold",
    "Ticket",
    "UnitTokens",
    "WaitingProgram",
    "Worth",
    "as_served",
    "expected_tokens",
    "expected_units",
    "make_allocator",
    "preset",
    "watch",
]

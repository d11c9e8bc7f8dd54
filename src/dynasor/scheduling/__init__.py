"""Pure decisions: what a program may spend (allocators) and whose request runs next (scheduler, policies)."""

from dynasor.scheduling.allocators import (
    ALLOCATORS,
    Agreement,
    Allocator,
    Fixed,
    Threshold,
    Worth,
    make_allocator,
)
from dynasor.scheduling.budget import Budget, BudgetedProgram, BudgetKeeper, BudgetUnit
from dynasor.scheduling.policies import POLICIES, Policy, fcfs, gang
from dynasor.scheduling.presets import PRESETS, Preset, preset
from dynasor.scheduling.scheduler import Scheduler
from dynasor.scheduling.ticket import Ticket

__all__ = [
    "ALLOCATORS",
    "POLICIES",
    "PRESETS",
    "Agreement",
    "Allocator",
    "Budget",
    "BudgetKeeper",
    "BudgetUnit",
    "BudgetedProgram",
    "Fixed",
    "Policy",
    "Preset",
    "Scheduler",
    "Threshold",
    "Ticket",
    "Worth",
    "fcfs",
    "gang",
    "make_allocator",
    "preset",
]

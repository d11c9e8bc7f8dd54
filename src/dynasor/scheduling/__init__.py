"""Pure decisions: what a program may spend (allocators) and whose request runs next (scheduler, policies)."""

from dynasor.scheduling.allocators import ALLOCATORS, Agreement, Allocator, Fixed, Threshold, make_allocator
from dynasor.scheduling.policies import POLICIES, Policy, fcfs, gang
from dynasor.scheduling.scheduler import Scheduler
from dynasor.scheduling.ticket import Ticket

__all__ = [
    "ALLOCATORS",
    "POLICIES",
    "Agreement",
    "Allocator",
    "Fixed",
    "Policy",
    "Scheduler",
    "Threshold",
    "Ticket",
    "fcfs",
    "gang",
    "make_allocator",
]

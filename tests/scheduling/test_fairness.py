"""Tenants: shares by weight, nothing idle, no credit for idling."""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Mapping

import pytest

from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Ticket
from dynasor.scheduling.scheduler import FIRST_REQUEST_TOKENS


class Backlog:
    """Tenants with always as many requests waiting as they like, of their own lengths in tokens, on ten places."""

    def __init__(self, weights: Mapping[str, float] | None, mean_tokens: Mapping[str, int], policy: str = "gang"):
        self.scheduler = Scheduler(POLICIES[policy], weights=weights)
        self.scheduler.add_replica("r", 10)
        self.mean_tokens = mean_tokens
        self.numbers = itertools.count()
        self.rng = random.Random(0)
        self.running: deque[Ticket] = deque()
        self.served: Counter[str] = Counter()

    def submit(self, tenant: str, priority: int = 0) -> None:
        """A program of one request."""
        number = next(self.numbers)
        program_id = f"{tenant}-{number}"
        self.scheduler.enter(ProgramEntry(program_id, number, 0.0, priority, tenant))
        self.scheduler.submit(Ticket(program_id, program_id, number))

    def run(self, num_ends: int, *backlogged: str) -> Counter[str]:
        """Tokens served to each tenant until so many requests ended; those ``backlogged`` always have some waiting."""
        self.served = Counter()
        for tenant in backlogged:
            for _ in range(20):
                self.submit(tenant)
        for _ in range(num_ends):
            self.running.extend(start.ticket for start in self.scheduler.schedule(0.0))
            ticket = self.running[self.rng.randrange(len(self.running))]
            self.running.remove(ticket)
            tenant = ticket.program_id.partition("-")[0]
            tokens = round(self.rng.uniform(0.5, 1.5) * self.mean_tokens[tenant])
            self.scheduler.produced(ticket.request_id, tokens)
            self.scheduler.remove(ticket.request_id, 0.0)
            self.scheduler.leave(ticket.program_id)
            self.served[tenant] += tokens
            if tenant in backlogged:
                self.submit(tenant)
        return self.served


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_two_to_one_in_tokens_whatever_the_lengths(policy: str) -> None:
    backlog = Backlog({"gold": 2.0}, {"gold": 100, "base": 700}, policy)
    served = backlog.run(5000, "gold", "base")
    assert served["gold"] / served["base"] == pytest.approx(2.0, rel=0.03), "who is not named weighs 1"


def test_what_one_tenant_does_not_use_the_other_gets() -> None:
    backlog = Backlog({"gold": 2.0}, {"gold": 100, "base": 100})
    assert set(backlog.run(500, "base")) == {"base"}


def test_a_tenant_that_comes_back_has_saved_nothing() -> None:
    backlog = Backlog({}, {"old": 100, "new": 100})
    backlog.run(5000, "old")
    served = backlog.run(2000, "old", "new")
    assert served["new"] / served["old"] == pytest.approx(1.0, rel=0.05)


def test_nor_does_it_pay_for_what_it_got_alone() -> None:
    backlog = Backlog({}, {"old": 100, "new": 100})
    backlog.run(5000, "old")
    backlog.run(100, "new")
    served = backlog.run(2000, "old", "new")
    assert served["new"] / served["old"] == pytest.approx(1.0, rel=0.05)


def test_without_fairness_tenants_play_no_part() -> None:
    backlog = Backlog(None, {"old": 100, "new": 100})
    for tenant in ["old"] * 15 + ["new"] * 15:
        backlog.submit(tenant)
    assert set(backlog.run(6)) == {"old"}
    assert {start.ticket.program_id.partition("-")[0] for start in backlog.scheduler.schedule(0.0)} == {"new"}


def test_classes_stand_above_shares() -> None:
    backlog = Backlog({"gold": 100.0}, {"gold": 100, "base": 100})
    for _ in range(15):
        backlog.submit("gold", priority=1)
        backlog.submit("base", priority=0)
    started = Counter(start.ticket.program_id.partition("-")[0] for start in backlog.scheduler.schedule(0.0))
    assert started == {"base": 10}


def test_inside_a_tenant_the_policy_orders() -> None:
    scheduler = Scheduler(POLICIES["sjf"], weights={})
    scheduler.add_replica("r", 1)
    for number, (program_id, tenant, expected) in enumerate(
        [("a", "x", 900.0), ("b", "x", 100.0), ("c", "y", 500.0), ("d", "y", 400.0)]
    ):
        scheduler.enter(ProgramEntry(program_id, number, 0.0, tenant=tenant, expected_tokens=expected))
        scheduler.submit(Ticket(program_id, program_id, number))
    order = []
    while starts := scheduler.schedule(0.0):
        order += [start.ticket.request_id for start in starts]
        scheduler.produced(order[-1], round(FIRST_REQUEST_TOKENS))
        scheduler.remove(order[-1], 1.0)
    assert order == ["b", "d", "a", "c"], "tenants by turns, each its shortest first"


def test_the_reason_of_a_place_says_what_its_key_had() -> None:
    backlog = Backlog({"gold": 2.0}, {"gold": 100, "base": 100})
    backlog.run(50, "gold", "base")
    order = backlog.scheduler.waiting_order(0.0)
    had = {each.tenant: float(each.reason.split()[3]) for each in order}
    assert (
        order[0].reason
        == f"its key had {had[order[0].tenant]:.0f} tokens for its weight; it came as number "
        + (order[0].program_id.partition("-")[2])
    )
    assert had[order[0].tenant] == min(had.values())

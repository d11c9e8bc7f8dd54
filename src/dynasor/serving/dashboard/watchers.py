"""How many pages watch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dynasor.serving.refusals import Refusal, Refused

RETRY_AFTER_S = 10.0


class Watchers:
    """How many streams each key has open."""

    def __init__(self) -> None:
        self._by_tenant: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._by_tenant.total()

    @contextmanager
    def one_more(self, tenant: str, most: int) -> Iterator[None]:
        if self._by_tenant[tenant] >= most:
            message = f"{most} pages of this key watch already, as many as may"
            raise Refused(Refusal.busy(message, RETRY_AFTER_S))
        self._by_tenant[tenant] += 1
        try:
            yield
        finally:
            self._by_tenant[tenant] -= 1
            if not self._by_tenant[tenant]:
                del self._by_tenant[tenant]

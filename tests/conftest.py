"""What holds for all tests: on a machine that is shared an example may be slow, so hypothesis keeps no time. What hangs
is ended by pytest's timeout."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# So that a contract's failing assertion shows its values, as those of test files do.
pytest.register_assert_rewrite("tests.engines.contract", "tests.engines.render_contract")

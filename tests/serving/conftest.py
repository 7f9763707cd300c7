from __future__ import annotations

import pytest
from serving_helpers import Running, running


@pytest.fixture(scope="module")
def service() -> Running:
    with running() as one:
        yield one

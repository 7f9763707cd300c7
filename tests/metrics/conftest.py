from __future__ import annotations

from pathlib import Path

import pytest
from prompt_helpers import HEAD, ONE, TWO

from metrics.prompts import write_lock


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    path = tmp_path / "xx.yaml"
    path.write_text(HEAD + ONE + TWO)
    write_lock(path)
    return path

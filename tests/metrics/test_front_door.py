"""`import metrics` gives the names that users call, and loads nothing before they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest
from process_helpers import environment

import metrics


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(metrics, name) is not None
    assert name in dir(metrics)


def test_the_import_is_light():
    code = "import sys, metrics; print(sorted({'torch', 'numpy', 'pydantic', 'jiwer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_is_the_one_in_its_module():
    from metrics.wer import word_errors

    assert metrics.word_errors is word_errors
    assert metrics.word_errors("one two", "one").errors == 1

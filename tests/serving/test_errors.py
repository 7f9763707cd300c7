"""The errors of serving: one documented shape, one table, and a passage between processes."""

from __future__ import annotations

import pickle

import pytest
from imports import ROOT

from serving import errors
from serving.errors import BusyError, ServingError, documented_errors, error_table


def test_every_class_of_the_module_is_documented_once():
    classes = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ServingError) and kind not in (ServingError, BusyError)
    }
    assert set(documented_errors()) == classes
    assert len({kind.type for kind in classes}) == len(classes)


@pytest.mark.parametrize("kind", documented_errors(), ids=lambda kind: kind.type)
def test_an_error_keeps_everything_when_it_passes_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("no such\nthing", param="voice", retry_after=2.5)))
    assert type(error) is kind
    assert (error.message, error.param, error.retry_after) == ("no such thing", "voice", 2.5)
    assert error.body("r1") == {
        "error": {"type": kind.type, "message": "no such thing", "param": "voice", "request_id": "r1"}
    }


def test_the_page_of_errors_holds_the_table():
    page = (ROOT / "docs/serving-errors.md").read_text(encoding="utf-8")
    assert error_table() in page, 'run: python -c "from serving.errors import error_table; print(error_table())"'

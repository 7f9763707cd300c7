"""Every error that the registry raises on purpose has one base class and an exit code."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import registry
from registry.errors import RegistryError
from registry.releases.alias import ReleaseRefused


def test_every_exception_class_derives_from_the_base():
    names = [module.name for module in pkgutil.walk_packages(registry.__path__, "registry.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith(".voice_model")]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__.startswith("registry.")
    }
    assert {error.__name__ for error in found if not issubclass(error, RegistryError)} == set()
    assert len(found) > 10


def test_refusal_answers_a_question_and_ends_with_1():
    assert (RegistryError.exit_code, ReleaseRefused.exit_code) == (2, 1)

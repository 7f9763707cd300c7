"""Fixtures of these tests."""

from serving_projects import project, serving_template  # noqa: F401 - fixtures

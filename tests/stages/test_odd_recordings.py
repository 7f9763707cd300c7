"""A folder of odd recordings: each file is exactly once in the manifest or among the rejects, with a true reason."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from odd_recordings import accepted, refused

print("todo")

"""The frame of a stage's program."""

from __future__ import annotations

import sys
from collections.abc import Callable

from stages.errors import is_expected


def run_stage(main: Callable[[], None]) -> None:
    """Run the main function of a stage, and end with exit code 1 and one line on stderr after an expected error.

    Any other exception is a fault of this code and keeps its traceback.
    """
    try:
        main()
    except Exception as error:
        if not is_expected(error):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None

"""Imports speechbrain without the side effects that it leaves behind."""

import sys


def import_speechbrain() -> None:
    """Import the package and remove its redirects of old module names from sys.modules.

    The redirects import optional packages (k2, spaCy, flair) whenever they are looked at, and fail where those are
    missing. So whatever walks through sys.modules stops with an ImportError: hypothesis does, and pickling for joblib
    may. Call this before `from speechbrain... import ...`. A second call costs nothing.
    """
    import speechbrain  # noqa: F401
    from speechbrain.utils.importutils import DeprecatedModuleRedirect

    for name in [name for name, module in sys.modules.items() if isinstance(module, DeprecatedModuleRedirect)]:
        del sys.modules[name]

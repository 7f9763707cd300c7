"""Import speechbrain without the traps it leaves behind."""

import sys


def import_speechbrain() -> None:
    """Import the package and drop its redirects of old module names from sys.modules.

    They import optional packages (k2, spaCy, flair) on any look at them, and fail where those are absent. So whatever
    walks through sys.modules stops with an ImportError: hypothesis does, and the pickling of functions for joblib may.
    Call it before `from speechbrain... import ...`; a second call costs nothing.
    """
    import speechbrain  # noqa: F401
    from speechbrain.utils.importutils import DeprecatedModuleRedirect

    for name in [name for name, module in sys.modules.items() if isinstance(module, DeprecatedModuleRedirect)]:
        del sys.modules[name]

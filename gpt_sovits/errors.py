"""The base of the errors of gpt_sovits/."""


class GptSovitsError(Exception):
    """An error that gpt_sovits/ raises on purpose."""

    exit_code: int = 2

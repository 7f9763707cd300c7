"""How long a text takes to say, from its phonemes. It needs no model, so a text is priced before a worker is asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gpt_sovits.synthesis.pieces import (
    MAX_TEXT_CHARACTERS,
    expected_seconds,
    preset_in_language,
    split_text,
)
from gpt_sovits.text.lexicon import with_words
from serving.errors import TextTooLongError, UnspeakableTextError
from serving.releases.table import Admission

MOST_KEPT = 256  # prices: a request is priced once for its admission, and again when it is spoken


@dataclass(frozen=True)
class Price:
    """What a text costs.

    Attributes:
        seconds: Length of its speech at the voice's pace.
        n_sentences: Pieces that are spoken one by one, at least 1.
    """

    seconds: float
    n_sentences: int


class Pricing:
    """Prices texts in a thread, so that a long one does not hold up the others' answers."""

    def __init__(self) -> None:
        """Start without prices."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="price")
        self._kept: OrderedDict[tuple[object, ...], Price] = OrderedDict()

    async def price(self, admission: Admission) -> Price:
        """Return the price of an admitted request.

        Raises:
            UnspeakableTextError: There is nothing to say in the text, or a sentence of it cannot be read.
            TextTooLongError: It is longer than what is spoken in one call.
        """
        request = admission.request
        key = (admission.live.pair.candidate_id, request.preset, admission.language, request.text, request.words)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = await asyncio.get_running_loop().run_in_executor(self._thread, _price, admission)
        self._kept[key] = found
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _price(admission: Admission) -> Price:
    request, pair = admission.request, admission.live.pair
    if len(request.text) > MAX_TEXT_CHARACTERS:
        raise TextTooLongError(
            f"the text has {len(request.text)} characters; at most {MAX_TEXT_CHARACTERS} are spoken in one request",
            param="input",
        )
    preset = preset_in_language(pair.presets[request.preset], admission.language)
    try:
        lexicon = with_words(pair.lexicon, request.words)
        return Price(expected_seconds(request.text, preset, lexicon), len(split_text(request.text, preset)))
    except ValueError as error:
        raise UnspeakableTextError(" ".join(str(error).split()), param="input") from error

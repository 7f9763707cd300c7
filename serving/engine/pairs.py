"""The pairs that a worker has loaded. A new one is loaded beside those that speak, and speaks a first sentence.

Reading the files happens in a thread, so that streams go on meanwhile. The first sentence compiles, records graphs and
fills caches, so that no listener waits for that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_presets
from serving.engine.scheduler import Scheduler
from serving.engine.speaking import Send

Voices = dict[str, Synthesizer]  # by preset
FIRST_SENTENCES = {
    "en": "One moment, please.",
    "zh": "请稍等一下。",
    "yue": "請等一等。",
    "ja": "少々お待ちください。",
    "ko": "잠시만 기다려 주세요.",
}


class WarmingTask:
    """A task of the scheduler that lets a new pair speak a sentence in both lanes, with every preset."""

    is_stream, is_loading = False, True

    def __init__(
        self, candidate: str, voices: Voices, pairs: dict[str, Voices], send: Send, scheduler: Scheduler
    ) -> None:
        """Prepare.

        Args:
            candidate: Id of the pair.
            voices: The pair.
            pairs: Where it goes once it has spoken.
            send: Tells the API.
            scheduler: Gives the turns.
        """
        self._candidate, self._voices, self._pairs, self._send = candidate, voices, pairs, send
        self._scheduler, self._busy = scheduler, 0.0

    def run(self) -> None:
        """Speak. See scheduler.Task."""
        rates = {}
        for lane, speak in (("realtime", _stream), ("batch", _say)):
            for voice in self._voices.values():
                speak(voice)  # what is computed once is computed here, and not in the measured call
                if self._pairs:  # the speed is known from a pair before
                    continue
                self._scheduler.count()
                before, samples = self._busy, speak(voice)
                self._scheduler.count()
                rates[lane] = samples / voice.sample_rate / max(self._busy - before, 1e-6)
        self._pairs[self._candidate] = self._voices
        rate = next(iter(self._voices.values())).sample_rate
        self._send({"kind": "loaded", "candidate": self._candidate, "sample_rate": rate, "rates": rates}, b"")

    def is_blocked(self) -> bool:
        """Return False: it waits for nobody."""
        return False

    def deadline(self) -> float:
        """Return 0. It is not asked."""
        return 0.0

    def add_busy(self, seconds: float) -> None:
        """Count the time of a turn."""
        self._busy += seconds

    def fail(self, error: Exception) -> None:
        """Report that the pair cannot speak."""
        refuse(self._send, self._candidate, error)


def start_loading(
    candidate: str,
    folder: Path,
    presets: list[str],
    *,
    batch_size: int,
    precision: str,
    device: str,
    done: Callable[[Voices | Exception], None],
) -> None:
    """Load a pair in a thread of its own.

    Args:
        candidate: Id of the pair.
        folder: The voice's folder, whose bytes the API has checked.
        presets: Names of its presets.
        batch_size: Sentences of a batch.
        precision: How the weights are stored.
        device: Where it speaks.
        done: Called in that thread with the pair, or with what went wrong.
    """

    def load() -> None:
        try:
            voices = load_presets(folder, presets, batch_size=batch_size, precision=precision, device=device)
            if device == "cpu":  # one after another they take less time there, and short steps
                for voice in voices.values():
                    voice.decode_batch_size = 1
            done(voices)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the pair before goes on speaking
            done(error)

    Thread(target=load, name=f"load-{candidate[:8]}", daemon=True).start()


def refuse(send: Send, candidate: str, error: Exception) -> None:
    """Tell the API that a pair cannot be served."""
    reason = " ".join(str(error).split()) or type(error).__name__
    send({"kind": "refused", "candidate": candidate, "message": f"{type(error).__name__}: {reason}"}, b"")


def _stream(voice: Synthesizer) -> int:
    return sum(len(chunk.waveform) for chunk in stream(voice, _first_sentence(voice)))


def _say(voice: Synthesizer) -> int:
    return len(voice.say(_first_sentence(voice)).waveform)


def _first_sentence(voice: Synthesizer) -> str:
    return FIRST_SENTENCES.get(voice.preset.language.removeprefix("all_"), FIRST_SENTENCES["en"])

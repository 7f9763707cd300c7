"""What stands between the API and the engine and changes how a text is spoken, and nothing else."""

from __future__ import annotations

from serving.api.service import Engine
from serving.messages import Health, ServedVoice, SpeechRequest


class EngineLayer:
    """An engine above another one. Whoever derives from it adds `speak`."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine below."""
        self._engine = engine

    async def price(self, request: SpeechRequest) -> float:
        """Return the expected seconds of speech, as the engine does."""
        return await self._engine.price(request)

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Refuse what the engine would not admit now.

        Args:
            request: How a text is spoken.
            candidate_id: What has spoken it already.

        Raises:
            ServingError: It may not be spoken.
        """
        await self._engine.check(request, candidate_id=candidate_id)

    def voices(self) -> tuple[ServedVoice, ...]:
        """Return what the engine serves."""
        return self._engine.voices()

    def health(self) -> Health:
        """Return the state of the engine."""
        return self._engine.health()

"""A released voice as an MLflow model, in MLflow's "models from code" form: this file is copied into the model.

MLflow runs the copy from the model's folder. So the file imports nothing of this package, and the synthesis only when
it speaks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext


class VoiceModel(PythonModel):
    """A model that turns texts into speech. The voice's folder (weights, preset) is the artifact `voice`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the voice. MLflow calls it once, before the first prediction."""
        from gpt_sovits import load_voice  # a stable name, because copies of this file outlive this version

        self.synthesizer = load_voice(Path(context.artifacts["voice"]))

    # model_input has no type hint, from which MLflow would make a signature in place of the registered one
    def predict(self, context: PythonModelContext, model_input, params: dict[str, Any] | None = None):
        """Speak each text.

        Args:
            context: MLflow's context, not used.
            model_input: A table with the column `text`, or a list of texts.
            params: `seed` (int, default 0) of the sampling, and `language` (ISO 639 code of the texts, default "": the
                voice's own).

        Returns:
            One {"waveform": list of n float in [-1, 1], "sample_rate": Hz} for each text.

        Raises:
            ValueError: The voice was not scored in the language.
        """
        language = self.synthesizer.preset.check_language((params or {}).get("language") or None)
        seed = int((params or {}).get("seed", 0))
        texts = model_input["text"] if hasattr(model_input, "columns") else model_input
        speeches = [self.synthesizer.say(str(text), seed, language) for text in texts]
        return [{"waveform": speech.waveform.tolist(), "sample_rate": speech.sample_rate} for speech in speeches]


mlflow.models.set_model(VoiceModel())

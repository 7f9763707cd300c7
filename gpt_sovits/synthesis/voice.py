"""A voice as a folder.

gpt/, sovits/            checkpoints, see gpt_sovits/weights/checkpoint.py
reference.safetensors    what the models need of the reference clip: phoneme_ids (X,) int64, semantic_tokens (Y,)
                         int64, spectrogram (n_fft // 2 + 1, T) and, where there are any, speaker_embedding
                         (speaker_dim,) and bert_features (bert_dim, X)
reference_2.safetensors  further references in the same form, numbered without gaps, whose style is averaged in
preset.json              how the voice speaks
presets/                 how it speaks for other uses, see preset_files.py
lexicon.yaml             the voice's own words, where it has any
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gpt_sovits.bert import load_bert
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.preset_files import load_preset, preset_files, write_preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.lexicon import LEXICON_FILE, load_lexicon
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights


def load_gpt(folder: Path) -> GPT:
    """Load the GPT in a checkpoint folder.

    Raises:
        CheckpointError: the folder is not a GPT checkpoint.
    """
    config, state = load_checkpoint(folder, "gpt")
    gpt = GPT(GPTConfig.from_dict(config))
    load_weights(gpt, state, f"the GPT in {folder}")
    return gpt.eval()


def load_sovits(folder: Path) -> SoVITS:
    """Load the SoVITS in a checkpoint folder.

    Raises:
        CheckpointError: the folder is not a SoVITS checkpoint.
    """
    config, state = load_checkpoint(folder, "sovits")
    sovits = SoVITS(SoVITSConfig.from_dict(config))
    load_weights(sovits, state, f"the SoVITS in {folder}")
    return sovits


def save_voice(
    folder: Path,
    gpt_folder: Path,
    sovits_folder: Path,
    references: Reference | Sequence[Reference],
    preset: Preset,
    lexicon_file: Path | None = None,
) -> None:
    """Assemble the folder of a voice. The caller moves it into place.

    Args:
        folder: the folder to make, which must not exist.
        gpt_folder: checkpoint of the GPT, copied.
        sovits_folder: checkpoint of the SoVITS, copied.
        references: one or several references, of which the first prompts the GPT.
        preset: how the voice speaks.
        lexicon_file: the voice's own words, copied.
    """
    folder.mkdir(parents=True)
    shutil.copytree(gpt_folder, folder / "gpt")
    shutil.copytree(sovits_folder, folder / "sovits")
    for number, reference in enumerate([references] if isinstance(references, Reference) else references, start=1):
        save_file(reference.tensors(), folder / _reference_name(number))
    write_preset(folder, DEFAULT_PRESET, preset)
    if lexicon_file is not None:
        shutil.copyfile(lexicon_file, folder / LEXICON_FILE)


def save_preset(folder: Path, name: str, preset: Preset, reference: Reference | None = None) -> None:
    """Add a preset for another use to the folder of a voice.

    Args:
        folder: the voice's folder, from `save_voice`.
        name: of the use, such as `dialogue`.
        preset: how the voice speaks then.
        reference: the reference of this preset. None: those of the voice.

    Raises:
        ValueError: the name cannot be that of a further preset.
    """
    if name == DEFAULT_PRESET:
        raise ValueError(f"{name!r} is the voice's default preset, which save_voice writes; choose another name")
    write_preset(folder, name, preset)
    if reference is not None:
        save_file(reference.tensors(), folder / preset_files(name)[1])


def load_voice(
    folder: Path, *, preset: str = DEFAULT_PRESET, batch_size: int = 8, precision: str = "float32"
) -> Synthesizer:
    """Load the voice in a folder that `save_voice` wrote.

    Args:
        folder: the voice's folder.
        preset: name of the preset that it speaks with.
        batch_size: sentences that are computed together, see Synthesizer.
        precision: how the weights are stored in memory, see Synthesizer.

    Raises:
        ValueError: a file is missing or wrong, or the references have BERT features and the official BERT is not in
            base_models/. The message names the file.
    """
    return load_presets(folder, [preset], batch_size=batch_size, precision=precision)[preset]


def load_presets(
    folder: Path, presets: Sequence[str], *, batch_size: int = 8, precision: str = "float32", device: str = "cpu"
) -> dict[str, Synthesizer]:
    """Load the voice in a folder once for several of its presets, which share the weights.

    Args:
        folder: the voice's folder.
        presets: names of presets, at least one.
        batch_size: as for `load_voice`.
        precision: as for `load_voice`.
        device: where it speaks, as torch names it.

    Returns:
        One voice per preset.

    Raises:
        ValueError: as for `load_voice`.
    """
    first, *others = presets
    settings = load_preset(folder, first)
    try:
        references = _load_references(folder, first)
        lexicon = load_lexicon(folder / LEXICON_FILE) if (folder / LEXICON_FILE).exists() else None
    except OSError as error:
        raise ValueError(f"{folder}: not a voice folder ({' '.join(str(error).split())})") from error
    voice = Synthesizer(
        load_gpt(folder / "gpt").to(device),
        load_sovits(folder / "sovits").to(device),
        references,
        settings,
        lexicon=lexicon,
        bert=load_bert() if references[0].bert_features is not None else None,
        batch_size=batch_size,
        precision=precision,
    )
    voices = {first: voice}
    for name in others:
        voices[name] = voice.with_preset(load_preset(folder, name), _load_references(folder, name))
    return voices


def _reference_name(number: int) -> str:
    return "reference.safetensors" if number == 1 else f"reference_{number}.safetensors"


def _load_references(folder: Path, preset: str) -> list[Reference]:
    """Return the references of a preset: its own one, or those of the voice."""
    own = folder / preset_files(preset)[1]
    if preset != DEFAULT_PRESET and own.exists():
        return [_load_reference(own)]
    references = [_load_reference(folder / _reference_name(1))]
    while (further := folder / _reference_name(len(references) + 1)).exists():
        references.append(_load_reference(further))
    return references


def _load_reference(path: Path) -> Reference:
    try:
        return Reference(**load_file(path))
    except (SafetensorError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not the reference of a voice ({' '.join(str(error).split())})") from error

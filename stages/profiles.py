"""What a profile selects: the base models and the judges. The sizes come with the base models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gpt_sovits.text.languages import language_name
from gpt_sovits.weights.languages import base_languages
from gpt_sovits.weights.places import BASES_FOLDER
from metrics.judges.languages import languages_heard

# folders in which `vox pull` puts the weights of judges, where they are not named after the judge
PULL_NAMES = {"ecapa_voxceleb": "spkrec-ecapa-voxceleb"}


@dataclass(frozen=True)
class Profile:
    """The names of a base model and of the judges."""

    base: str  # see gpt_sovits/weights/base.py
    asr: str  # see metrics/judges/asr.py
    speaker: str  # see metrics/judges/speaker.py


PROFILES = {
    # everything offline on a two-core CPU: for trying, tests and CI
    "starter": Profile(base="starter", asr="faster-whisper-tiny.en", speaker="ecapa_small"),
    # official weights, which `vox pull NAME` brings, and the judges of production
    "v2": Profile(base="v2", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
    "v2Pro": Profile(base="v2Pro", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
    "v2ProPlus": Profile(base="v2ProPlus", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
}


def judge_weights(name: str) -> Path | None:
    """Return the folder of a judge's weights for load_transcriber and load_speaker_judge.

    Returns:
        The folder that `vox pull` filled, or None where it did not. Then the judge's library uses its own cache.
    """
    return BASES_FOLDER if (BASES_FOLDER / PULL_NAMES.get(name, name)).is_dir() else None


def weights_stamp(name: str) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a judge's weights are replaced, so that a process that lives on loads them anew.

    Returns:
        Path, size in bytes and time of the last change in ns of each file that `vox pull` brought, nothing where the
        judge's library keeps the weights.
    """
    files = sorted(path for path in (BASES_FOLDER / PULL_NAMES.get(name, name)).rglob("*") if path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def require_language(voice: str, language: str, profile_name: str) -> None:
    """Check before anything is computed that a profile can make a voice of a language.

    Args:
        voice: name of the voice, for the message.
        language: ISO 639 code.
        profile_name: a key of PROFILES.

    Raises:
        ValueError: the base model never learned the language, or the ASR judge does not hear it. The message says which
            profile does and what to fetch for it.
    """
    profile = PROFILES[profile_name]
    faults = [fault for fault in (_unlearned(profile.base, language), _unheard(profile.asr, language)) if fault]
    if faults:
        raise ValueError(
            f"{voice} speaks {language_name(language)}, but with profile {profile_name} {' and '.join(faults)}; "
            f"{_remedy(language)}"
        )


def require_other_languages(languages: Iterable[str], profile_name: str) -> None:
    """Check before anything is spoken that a profile can speak and hear every language of evaluate.other_languages.

    Raises:
        ValueError: the base model never learned a language, or the ASR judge does not hear it.
    """
    profile = PROFILES[profile_name]
    for language in languages:
        faults = [fault for fault in (_unlearned(profile.base, language), _unheard(profile.asr, language)) if fault]
        if faults:
            raise ValueError(
                f"evaluate.other_languages names {language_name(language)}, but with profile {profile_name} "
                f"{' and '.join(faults)}; remove it there, or {_remedy(language)}"
            )


def require_learned(base: str, language: str) -> None:
    """Raise ValueError where a base model was not trained on a language."""
    if fault := _unlearned(base, language):
        raise ValueError(f"the clips are in {language_name(language)}, but {fault}; {_remedy(language)}")


def require_heard(asr: str, language: str) -> None:
    """Raise ValueError where an ASR judge does not hear a language."""
    if fault := _unheard(asr, language):
        raise ValueError(f"the clips are in {language_name(language)}, but {fault}; {_remedy(language)}")


def _unlearned(base: str, language: str) -> str:
    known = base_languages(base)
    return "" if language in known else f"the base model {base} learned {_names(known)} only"


def _unheard(asr: str, language: str) -> str:
    heard = languages_heard(asr)
    return "" if heard is None or language in heard else f"the recogniser {asr} hears {_names(heard)} only"


def _names(languages: Iterable[str]) -> str:
    return ", ".join(map(language_name, languages))


def _remedy(language: str) -> str:
    """Return what makes a voice of a language possible: the first profile that can, and what to fetch for it."""
    for name, profile in PROFILES.items():
        if not _unlearned(profile.base, language) and not _unheard(profile.asr, language):
            parts = (profile.base, profile.asr, profile.speaker)
            pulls = ", ".join(f"`vox pull {PULL_NAMES.get(part, part)}`" for part in parts)
            return f"run {pulls} and `cp params.official.yaml params.yaml`, which sets profile: {name}"
    return "no profile makes voices of this language"

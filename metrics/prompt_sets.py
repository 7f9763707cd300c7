"""The prompt sets of a voice: of its own language, of other languages that it is tested in, of presets and lanes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metrics.prompts import Prompt, PromptSet, content_sha256, load_prompts, selection_subset


def load_language(folder: Path, language: str) -> PromptSet:
    """Load the prompts of a language: FOLDER/LANGUAGE.yaml with the custom ones beside it.

    Raises:
        ValueError: there is no such file, or it is wrong, see `load_prompts`.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is not a folder; evaluate.prompts in params.yaml names the folder that holds LANGUAGE.yaml"
        )
    path = folder / f"{language}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise ValueError(
            f"{folder} has no prompts in {language!r} ({path.name}), it has: {known}; write and lock that file, or "
            "name another folder in evaluate.prompts"
        )
    prompts = load_prompts(path)
    if prompts.language != language:
        raise ValueError(f"{path} is named after {language!r}, but its language is {prompts.language!r}; correct one")
    return prompts


def load_other_languages(
    folder: Path, own: str, others: Sequence[str], n_prompts: int | None = None
) -> tuple[PromptSet, ...]:
    """Load the prompts of every language that a voice is tested in besides its own, sorted by language.

    Args:
        folder: holds LANGUAGE.yaml of each.
        own: ISO 639 code of the voice's language. It is left out, because the voice is tested in it anyway.
        others: ISO 639 codes.
        n_prompts: number of prompts of each language, spread over the categories. None: all.

    Raises:
        ValueError: a set is missing or wrong, or has fewer prompts.
    """
    sets = []
    for language in sorted(set(others) - {own}):
        prompts = load_language(folder, language)
        if n_prompts is not None:
            prompts = _subset(prompts, n_prompts)
        sets.append(prompts)
    return tuple(sets)


def prompts_of_preset(prompts: PromptSet, name: str, categories: Sequence[str]) -> PromptSet:
    """Return the prompts that judge a preset: those of its categories.

    Args:
        prompts: in the voice's own language.
        name: of the preset, for the message.
        categories: the preset's.

    Raises:
        ValueError: a category has no prompt.
    """
    known = sorted({prompt.category for prompt in prompts.prompts})
    if missing := sorted(set(categories) - set(known)):
        raise ValueError(
            f"presets.{name}.categories names {', '.join(missing)}, and no prompt in {prompts.language} is of that "
            f"category; the categories are {', '.join(known)}"
        )
    chosen = tuple(prompt for prompt in prompts.prompts if prompt.category in categories)
    return _replace_prompts(prompts, chosen)


def prompts_of_lane(prompts: PromptSet, name: str, n_prompts: int | None, n_seeds: int) -> PromptSet:
    """Return the prompts that judge a lane, with the first sampling seeds.

    Args:
        prompts: in the voice's own language.
        name: of the lane, for the message.
        n_prompts: the most prompts to take, spread over the categories. None: all.
        n_seeds: number of seeds.

    Raises:
        ValueError: there are fewer seeds.
    """
    if n_seeds > len(prompts.seeds):
        raise ValueError(
            f"evaluate.lanes.{name}.n_seeds is {n_seeds}, and the prompts in {prompts.language} have "
            f"{len(prompts.seeds)} seeds; name at most as many"
        )
    chosen = prompts.prompts
    if n_prompts is not None and n_prompts < len(chosen):
        chosen = selection_subset(chosen, n_prompts)
    return _replace_prompts(prompts.model_copy(update={"seeds": prompts.seeds[:n_seeds]}), chosen)


def _subset(prompts: PromptSet, n: int) -> PromptSet:
    try:
        chosen = selection_subset(prompts.prompts, n)
    except ValueError as error:
        raise ValueError(f"evaluate.n_other_language_prompts, language {prompts.language}: {error}") from error
    return _replace_prompts(prompts, chosen)


def _replace_prompts(prompts: PromptSet, chosen: Sequence[Prompt]) -> PromptSet:
    return prompts.model_copy(
        update={"prompts": tuple(chosen), "sha256": content_sha256(prompts.language, prompts.seeds, chosen)}
    )

"""In which clip each token of a transcript is said, by what the ASR heard in the clips. Pure.

Most words that the ASR hears are right, and they are the anchors. The tokens between two anchors go where they resemble
what the ASR heard there. So a missing sentence costs the clips in which it is said, and no others. A sentence that the
transcript has in another place is found there, and a sentence that nobody says belongs to no clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from stages.alignment.equal_blocks import Block, common_runs, equal_blocks

MIN_ANCHOR_UNITS = 2  # equal neighbours. One equal word far from all others is a coincidence ("the")
MAX_ANCHOR_GAP = 2  # units on either side, between a single equal word and its next anchor
MIN_MOVED_UNITS = 4  # equal neighbours that show that a passage stands in another place
MIN_UNSPOKEN_UNITS = 4  # shorter runs without a place are words added to a clip
MAX_CUTS = 20_000  # comparisons for the borders of one run, above which it is spread evenly


class _Unit(NamedTuple):
    """A normalised word or character, and the index of the token or clip that it belongs to."""

    text: str
    owner: int


def tokens_by_clip(
    tokens: Sequence[Sequence[str]], heard: Sequence[Sequence[str]], seconds: Sequence[float]
) -> list[list[int]]:
    """Return the indices of the tokens that are said in each clip, in the order in which they are said.

    A token may be in no clip.

    Args:
        tokens: the normalised units of each token of the transcript. A token may have none.
        heard: the normalised units of what the ASR heard in each clip.
        seconds: length of each clip.
    """
    written = [_Unit(text, index) for index, units in enumerate(tokens) for text in units]
    sounds = [_Unit(text, clip) for clip, units in enumerate(heard) for text in units]
    pairs = _anchors(written, sounds)
    moved = _moved(written, sounds, pairs)
    places: dict[int, tuple[int, float]] = {}  # token: clip, and place among the units heard
    for unit, sound in [*pairs.items(), *moved.items()]:
        places.setdefault(written[unit].owner, (sounds[sound].owner, float(sound)))
    _fill_moved(tokens, places, {written[unit].owner for unit in moved})
    taken = set(pairs.values()) | set(moved.values())
    pace = sum(seconds) / max(1, sum(len(unit.text) + 1 for unit in sounds))
    room = [length - pace * sum(len(text) + 1 for text in units) for length, units in zip(seconds, heard, strict=True)]
    anchored = {written[unit].owner: sound for unit, sound in sorted(pairs.items(), reverse=True)}
    for run, before, after in _runs(tokens, places, anchored):
        first_clip = sounds[before].owner if before is not None else 0
        last_clip = sounds[after].owner if after is not None else len(heard) - 1
        low, high = (before + 1 if before is not None else 0), (after if after is not None else len(sounds))
        own: dict[int, list[int]] = {clip: [] for clip in range(first_clip, last_clip + 1)}
        for sound in range(low, high):
            if sound not in taken:
                own[sounds[sound].owner].append(sound)
        own_texts = {clip: [sounds[sound].text for sound in own[clip]] for clip in own}
        clips = _run_clips([tokens[token] for token in run], own_texts, room, pace)
        for token, clip in zip(run, clips, strict=True):
            if clip is not None:
                start = before if before is not None and sounds[before].owner == clip else -1
                places[token] = (clip, max(start, min(own[clip], default=start) - 1) + 0.5)
    shares: list[list[tuple[float, int]]] = [[] for _ in heard]
    for token, (clip, position) in _with_silent_tokens(tokens, places).items():
        shares[clip].append((position, token))
    return [[token for _, token in sorted(share)] for share in shares]


def _anchors(written: Sequence[_Unit], sounds: Sequence[_Unit]) -> dict[int, int]:
    """Return the unit heard for each unit of the transcript that is an anchor."""
    blocks = _at_clip_borders(
        equal_blocks([unit.text for unit in written], [unit.text for unit in sounds]), written, sounds
    )
    pairs: dict[int, int] = {}
    for number, (first, sound, size) in enumerate(blocks):
        near = False
        for other in (number - 1, number + 1):
            if 0 <= other < len(blocks):
                (left, left_sound, left_size), (right, right_sound, _) = sorted((blocks[number], blocks[other]))
                gaps = (right - left - left_size, right_sound - left_sound - left_size)
                near |= max(gaps) <= MAX_ANCHOR_GAP and max(size, blocks[other][2]) >= MIN_ANCHOR_UNITS
        if size >= MIN_ANCHOR_UNITS or near or len(blocks) == 1:
            pairs |= {first + offset: sound + offset for offset in range(size)}
    return pairs


def _at_clip_borders(blocks: Sequence[Block], written: Sequence[_Unit], sounds: Sequence[_Unit]) -> list[Block]:
    """Return the blocks with the gaps of the transcript at the borders of clips, where words leave the choice.

    Where a sentence is missing between two blocks, words at the end of the first block may as well be those at the end
    of the missing sentence. A sentence seldom begins inside a clip.
    """

    def is_border(sound: int) -> bool:
        return sound in (0, len(sounds)) or sounds[sound - 1].owner != sounds[sound].owner

    moved: list[Block] = []
    for block in blocks:
        before = moved.pop() if moved else Block(block.first, block.second, 0)
        end, sound_end = before.first + before.size, before.second + before.size
        if end == block.first and before.size:
            steps = [0]
            while steps[-1] < block.size and written[end + steps[-1]].text == sounds[sound_end + steps[-1]].text:
                steps.append(steps[-1] + 1)
            back = 0
            while back < before.size and written[end - 1 - back].text == sounds[block.second - 1 - back].text:
                back += 1
                steps.append(-back)
            step = max(steps, key=lambda k: (is_border(sound_end + k) + is_border(block.second + k), -abs(k)))
            before = before._replace(size=before.size + step)
            block = Block(block.first + step, block.second + step, block.size - step)
        moved += [one for one in (before, block) if one.size]
    return moved


def _moved(written: Sequence[_Unit], sounds: Sequence[_Unit], pairs: dict[int, int]) -> dict[int, int]:
    """Return the unit heard for each unit of the passages that are said in another place than they are written.

    Both are outside the anchors. Longer passages come first, and what is heard once is one passage only.
    """
    used = set(pairs.values())
    # neighbours only: a text that no unit has stands in the place of each anchor
    texts = ["\n" if index in pairs else unit.text for index, unit in enumerate(written)]
    heard = ["\r" if index in used else unit.text for index, unit in enumerate(sounds)]
    moved: dict[int, int] = {}
    for first, second, size in sorted(common_runs(texts, heard), key=lambda block: -block.size):
        units, others = range(first, first + size), range(second, second + size)
        if size >= MIN_MOVED_UNITS and not (moved.keys() & set(units) or used & set(others)):
            moved |= dict(zip(units, others, strict=True))
            used |= set(others)
    return moved


def _fill_moved(tokens: Sequence[Sequence[str]], places: dict[int, tuple[int, float]], moved: set[int]) -> None:
    """Place the tokens between two moved ones of one clip there too, after the first of them."""
    before: int | None = None
    for token in [index for index in range(len(tokens)) if index in places]:
        if before is not None and {before, token} <= moved:
            (clip, position), (next_clip, next_position) = places[before], places[token]
            if clip == next_clip and position < next_position:
                places |= {index: (clip, position + 0.5) for index in range(before + 1, token) if tokens[index]}
        before = token


def _runs(
    tokens: Sequence[Sequence[str]], places: dict[int, tuple[int, float]], anchored: dict[int, int]
) -> Iterator[tuple[list[int], int | None, int | None]]:
    """Yield the runs of tokens without a place, with the anchors (units heard) before and after each."""
    run: list[int] = []
    before: int | None = None
    for index in [*range(len(tokens)), None]:
        if index is not None and index not in places:
            run += [index] if tokens[index] else []
            continue
        after = anchored.get(index) if index is not None else None
        if index is not None and after is None:  # a moved token says nothing about its neighbours
            continue
        if run:
            yield run, before, after
        run, before = [], after


def _run_clips(
    run: Sequence[Sequence[str]], heard: dict[int, list[str]], room: Sequence[float], pace: float
) -> list[int | None]:
    """Return the clip of each token of a run, or None for each where nobody says them.

    Args:
        run: the units of each token.
        heard: the unexplained units heard between the run's anchors, by clip.
        room: seconds of each clip without a word that the ASR heard, at an even pace.
        pace: seconds per character.
    """
    n_units = sum(map(len, run))
    n_heard = sum(map(len, heard.values()))
    roomiest = max(heard, key=lambda clip: (room[clip], -clip))
    if n_units >= MIN_UNSPOKEN_UNITS and n_heard <= n_units / 4:
        needed = pace * sum(len(unit) + 1 for units in run for unit in units)
        return [roomiest if room[roomiest] > needed / 2 else None] * len(run)
    clips = list(heard)
    if not n_heard:
        return [roomiest] * len(run)
    if len(clips) == 1:
        return [clips[0]] * len(run)
    if len(run) ** 2 * len(clips) > MAX_CUTS:
        owners = [clip for clip in clips for _ in heard[clip]]
        return [owners[index * len(owners) // len(run)] for index in range(len(run))]
    return _best_clips(["".join(f"{unit} " for unit in units) for units in run], heard)


def _best_clips(run: Sequence[str], heard: dict[int, list[str]]) -> list[int | None]:
    """Return the clips, in order, for which the run differs in the fewest letters from what was heard in each.

    Of equal choices, the one with the fewest tokens in clips where nothing else was heard is taken.

    Args:
        run: each token, with a space after each unit, so that a cut between two tokens changes no letter.
        heard: the units heard in each clip.
    """
    # letters, tokens where nothing was heard, and the end of each clip, for the first k tokens
    costs: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())] + [(10**9, 0, ())] * len(run)
    for clip_text in ("".join(f"{unit} " for unit in units) for units in heard.values()):
        ends = []
        for end in range(len(run) + 1):
            choices = (
                (
                    letters + Levenshtein.distance("".join(run[first:end]), clip_text),
                    n_alone + (0 if clip_text else end - first),
                    (*borders, end),
                )
                for first, (letters, n_alone, borders) in enumerate(costs[: end + 1])
            )
            ends.append(min(choices))
        costs = ends
    clips: list[int | None] = []
    for clip, end in zip(heard, costs[-1][2], strict=True):
        clips += [clip] * (end - len(clips))
    return clips


def _with_silent_tokens(
    tokens: Sequence[Sequence[str]], places: dict[int, tuple[int, float]]
) -> dict[int, tuple[int, float]]:
    """Return the places with those of tokens without a unit ("Hm"): beside the token before them, else after them."""
    complete: dict[int, tuple[int, float]] = {}
    later: list[tuple[int, float] | None] = [None]  # place of the first placed token from each index on, from the end
    for index in reversed(range(len(tokens))):
        later.append(places.get(index, later[-1]))
    previous: tuple[int, float] | None = None
    for index, units in enumerate(tokens):
        if units:
            previous = places.get(index)
        elif previous is None:
            previous = later[len(tokens) - index]
        if previous is not None:
            complete[index] = previous
    return complete

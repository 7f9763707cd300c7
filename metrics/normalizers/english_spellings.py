"""English spellings: whisper's table of British and American ones, mended, and pairs that it lacks."""

import re
from collections.abc import Mapping

_MARKUP = re.compile(r"<[^>]*>|[^\w' /-]")
_ENDINGS = ("ing", "ed", "s")
# second and further spellings of a word, each with the one that all become
_PAIRS = {
    "ok": "okay", "okey": "okay", "alright": "all right", "goodby": "goodbye", "whisky": "whiskey",
    "whiskies": "whiskeys", "adviser": "advisor", "advisers": "advisors", "doughnut": "donut", "doughnuts": "donuts",
    "enquire": "inquire", "enquired": "inquired", "enquires": "inquires", "enquiring": "inquiring",
    "enquiry": "inquiry", "enquiries": "inquiries", "gipsy": "gypsy", "kerb": "curb", "kerbs": "curbs",
    "acknowledgement": "acknowledgment", "acknowledgements": "acknowledgments", "skilful": "skillful",
    "skilfully": "skillfully", "wilful": "willful", "wilfully": "willfully", "barbeque": "barbecue",
    "thru": "through", "hiccough": "hiccup", "hiccoughs": "hiccups", "flyers": "fliers",
}  # fmt: skip


def repaired_spellings(table: Mapping[str, str]) -> dict[str, str]:
    """Return whisper's table of spellings without its broken entries, and with the pairs that it lacks.

    Markup is removed ("archeology</span>"). Alternatives in one entry ("flyer / flier") become the first of them. A
    value that lacks the key's ending gets it ("snowploughs" was "snowplow", "pummelling" "pummeled"). An adverb whose
    value is another part of speech is dropped ("tranquilly" was "tranquility").
    """
    repaired = {}
    for entry, value in table.items():
        common, *_ = (_MARKUP.sub("", part).strip() for part in value.split(" / "))
        for key in (_MARKUP.sub("", part).strip() for part in entry.split(" / ")):
            if key.endswith("ly") and not common.endswith("ly"):
                continue
            spelling = _with_ending(key, common)
            if key != spelling:
                repaired[key] = spelling
    return repaired | _PAIRS


def _with_ending(key: str, value: str) -> str:
    ending = next((ending for ending in _ENDINGS if key.endswith(ending)), "")
    if value.endswith(ending):
        return value
    return re.sub("(?:ing|ed|s)$", "", value) + ending

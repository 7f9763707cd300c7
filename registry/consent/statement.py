"""The consent in the speaker's own voice: what the speaker is asked to say, and whether that was heard.

The agreement must be heard word for word, because one word turns it into its opposite. The speaker's name is often
misheard, so a share of its letters may differ.
"""

from __future__ import annotations

from metrics.normalize import normalizer_of
from metrics.wer import character_errors

# (with the speaker's name, the agreement): said one after the other
SENTENCES = {
    "en": ("My name is {speaker}.", "I agree that my voice is copied by a computer."),
    "zh": ("我叫{speaker}。", "我同意用电脑复制我的声音。"),
    "yue": ("我叫{speaker}。", "我同意用電腦複製我把聲。"),
    "ja": ("私の名前は{speaker}です。", "私の声を機械で複製することに同意します。"),
    "ko": ("제 이름은 {speaker}입니다.", "컴퓨터로 제 목소리를 복제하는 것에 동의합니다."),
}
MAX_NAME_CER = 0.4  # character error rate of the part with the name
MAX_LONGER = 5  # characters by which that part may be longer, which leaves no room for "I never said that"


def statement_text(language: str, speaker: str) -> str:
    """Return what the speaker says to agree.

    Args:
        language: ISO 639 code of the voice's language.
        speaker: The name in the consent.
    """
    name, agreement = SENTENCES[language]
    space = " " if language in ("en", "ko") else ""
    return f"{name.format(speaker=speaker)}{space}{agreement}"


def why_not_said(heard: str, language: str, speaker: str) -> str | None:
    """Return why a statement is not the speaker's agreement, or None if it is.

    Args:
        heard: What a speech recogniser heard.
        language: ISO 639 code of the voice's language.
        speaker: The name in the consent.
    """
    normalize = normalizer_of(language).normalize
    introduction, agreement = SENTENCES[language]
    name, agreement = normalize(introduction.format(speaker=speaker)), normalize(agreement)
    said = normalize(heard)
    asked = f"the speaker must say: {statement_text(language, speaker)}"
    if not said.endswith(f" {agreement}"):
        return f"it says {heard.strip()!r}, which does not end with the agreement; {asked}"
    before = said.removesuffix(agreement).strip()
    if len(before) > len(name) + MAX_LONGER or character_errors(name, before).rate > MAX_NAME_CER:
        return f"it says {heard.strip()!r}, which does not begin with the name in the consent; {asked}"
    return None

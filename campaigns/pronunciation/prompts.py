"""The sentence in which each name is said, and common names for comparison.

A judge mishears names of every voice. How often it mishears names that everybody knows, in the same sentence by the
same voice, is what a campaign's names are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """How names are said in a language.

    Attributes:
        before: Words before the name.
        after: Words after it.
        common: Names that the text front end and a judge know.
    """

    before: str
    after: str
    common: tuple[str, ...]

    def text(self, name: str) -> str:
        """Return the sentence with a name."""
        return f"{self.before}{name}{self.after}"


PROMPTS = {
    "en": Prompt(
        "We have a message for ", ", who is waiting for it.", ("Mary", "David", "Susan", "Peter", "Laura", "Michael")
    ),
    "zh": Prompt("我们有一条消息要告诉", "，请您收听。", ("张伟", "王芳", "李娜", "刘洋")),
    "yue": Prompt("我哋有一個訊息要話俾", "，請你收聽。", ("陳大文", "李小明", "張偉", "黃志強")),
    "ja": Prompt("こちらは", "さんへのお知らせです。", ("田中", "佐藤", "鈴木", "山本")),
    "ko": Prompt("이 안내는 ", " 님께 드리는 안내입니다.", ("김민수", "이영희", "박지훈", "최수진")),
}

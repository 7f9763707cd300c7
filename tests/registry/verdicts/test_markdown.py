"""The summary of a CI job."""

from __future__ import annotations

import re

from release_helpers import language_rules, language_scores, make_verdict, policy, scorecard, utterance

from registry.verdicts.markdown import to_markdown, unmeasured_markdown
from registry.verdicts.store import save_verdict


def test_markdown_tells_outcome_reasons_and_figures(bare_store):
    failing = scorecard(rows=[utterance(p, s, 9, failures=("cut off",)) for p in range(20) for s in (0, 1)])
    text = to_markdown(save_verdict(bare_store, make_verdict(failing, scorecard(wer=0.2))))
    assert text.startswith("## ❌ anna version 2: fail\n")
    assert "Against version 1; 20 prompts, 40 utterances, seeds 0, 1." in text
    assert (
        "- failed utterances (+0.900 per word): threshold missed: word error rate 0.9000 errors per word, "
        "must be at most 0.3000\n" in text
    )
    assert "| wer | 0.9000 | at most 0.3000 | errors per word | **no** |" in text
    assert "| wer | 0.9000 | 0.2000 | +0.7000 |" in text
    assert "| cut off | 40 | 0 |" in text
    assert "pocketsphinx 5.1.1, ecapa_small 1, english 1" in text


def test_markdown_has_a_part_for_each_language_with_its_unit(bare_store):
    rules = policy(other_languages={"zh": language_rules()})
    card = scorecard(other_languages=(language_scores("ja"), language_scores("zh", wer=0.4)))
    text = to_markdown(save_verdict(bare_store, make_verdict(card, card, rules)))
    japanese, mandarin = text.split("### Language ")[1:]
    assert japanese.startswith("ja\n") and "gate.other_languages has no rules for it" in japanese
    assert mandarin.startswith("zh\n") and "| wer | 0.4000 | at most 0.5000 | errors per character | yes |" in mandarin
    assert "12 prompts, 24 utterances" in mandarin and "errors are counted in characters" in mandarin


def test_markdown_stays_small_and_its_tables_whole_whatever_the_number_of_prompts(bare_store):
    threshold = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    rules = policy(slices=[{"by": "category", "min_prompts": 2, "thresholds": [threshold]}], n_resamples=1000)
    text = "a|b <img> `c` " * 20
    rows = [
        utterance(p, 0, 9, prompt_id=f"p{p:05d}", category=f"category|{p // 4}", reference=text, failures=("cut_off",))
        for p in range(4000)
    ]
    shown = to_markdown(save_verdict(bare_store, make_verdict(scorecard(seeds=(0,), rows=rows), None, rules)))
    assert len(shown.encode()) < 900_000
    assert "The worst 50 of 4000 prompts" in shown and "and 800 more" in shown
    assert "<img" not in shown
    assert_tables_are_whole(shown)


def test_tables_of_a_whole_verdict_have_a_cell_for_each_title(whole):
    shown = to_markdown(whole)
    assert_tables_are_whole(shown)
    assert "| category names | 3 |  |  |  | not checked: needs 5 prompts |" in shown
    assert "**Next:** Do not release it" in shown
    assert "| `p004` | long |" in shown


def assert_tables_are_whole(shown: str) -> None:
    """Check each table of GitHub's Markdown: an empty line before it, a rule below its titles, rows of equal length."""
    blocks = [block.splitlines() for block in shown.split("\n\n") if block.startswith("|")]
    assert blocks
    for lines in blocks:
        assert set(lines[1]) == {"|", "-", " "}
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
        assert len(set(cells)) == 1, lines[cells.index(max(cells))]
    loose = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(loose) == sum(map(len, blocks))


def test_markdown_cell_cannot_be_left():
    assert "a \\| b c" in unmeasured_markdown("anna", "a | b\nc")

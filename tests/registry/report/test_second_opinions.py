"""Second opinions in the report: shown beside the first, with a warning where the recognisers disagree."""

from __future__ import annotations

import pytest
from report_helpers import TEXT, score_folder, verdict_on

from metrics.scores import SecondJudges, UtteranceScore
from metrics.wer import word_errors
from registry.report.page import ScoredVersion, render_report

WARNING = "The two recognisers disagree about this voice."
JUDGES = SecondJudges(asr="second-ear", asr_version="7", speaker="second-face", speaker_version="8")


def second(row: UtteranceScore, hypothesis: str, similarity: float | None = None) -> UtteranceScore:
    errors = word_errors(row.reference, hypothesis).errors
    return row.model_copy(
        update={"second_hypothesis": hypothesis, "second_word_errors": errors, "second_similarity": similarity}
    )


def report_of(scored: ScoredVersion, heard: dict[str, str], judges: SecondJudges = JUDGES) -> str:
    """Return the report where the second judge heard TEXT in recordings, and this in the first seed of each prompt."""
    card = scored.scorecard
    rows = tuple(second(row, heard[row.prompt_id], 0.25) if row.seed == 0 else row for row in card.rows)
    held_out = tuple(second(row, row.reference, 0.75) for row in card.held_out)
    card = card.model_copy(update={"rows": rows, "held_out": held_out, "second_judges": judges})
    scored = ScoredVersion(card, scored.folder, scored.lineage)
    return " ".join(render_report(scored, signed=verdict_on(scored, None)).split())


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> ScoredVersion:
    return score_folder(tmp_path_factory.mktemp("voice"), {"kettle": TEXT, "rain": TEXT, "door": TEXT}, n_seeds=2)


def test_a_report_without_second_judges_does_not_mention_them(scored: ScoredVersion) -> None:
    page = render_report(scored)
    assert "Second opinions" not in page and "Second recogniser" not in page


def test_both_judges_stand_side_by_side_and_the_gate_is_said_not_to_read_them(scored: ScoredVersion) -> None:
    page = report_of(scored, {"kettle": TEXT, "rain": TEXT.replace("five", "nine"), "door": TEXT})
    assert "heard the recordings and 3 of 6 utterances (seed 0 of each prompt). The gate does not read" in page
    assert '<td>second-ear</td><td class="number">4.2%</td><td class="number">0.0%</td>' in page
    assert '<td>second-face</td><td class="number">0.25</td><td class="number">0.75</td>' in page
    assert "second-ear: 1 of 8 wrong: " in page and "second-ear: 0 of 8 wrong" in page
    assert "second-ear <small>7</small>" in page and "second-face <small>8</small>" in page
    assert WARNING not in page


def test_a_voice_that_only_the_first_recogniser_understands_is_warned_about(scored: ScoredVersion) -> None:
    page = report_of(scored, {"kettle": TEXT, "rain": "", "door": "one two"})
    assert WARNING in page
    assert "second-ear gets 58 words in a hundred more wrong than the other" in page
    links = page[page.index("where they differ most:") :].partition("</p>")[0]
    worst = [page.index(f'data-prompt="{name}"') for name in ("rain", "door")]
    numbers = [page[page.rindex('<tr id="p', 0, place) :].split('"')[1] for place in worst]
    assert links.count("<a ") == 2
    assert [links.index(f'href="#{number}"') for number in numbers] == sorted(
        links.index(f'href="#{number}"') for number in numbers
    )


def test_a_judge_that_heard_nothing_says_why(scored: ScoredVersion) -> None:
    card = scored.scorecard.model_copy(
        update={"second_judges": SecondJudges(asr="second-ear", note="not measured: second-ear does not know ja")}
    )
    page = render_report(ScoredVersion(card, scored.folder))
    assert "Not measured: second-ear does not know ja." in page
    assert WARNING not in page

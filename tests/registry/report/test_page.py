"""The page of the report: decision first, complete, in order, safe with hostile text, and equal bytes every time."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from release_helpers import FLOOR, lane_scores, language_rules, language_scores, make_verdict, policy, scorecard
from report_helpers import STAMP, TEXT, pairs, score_folder, utterance, verdict_on

from metrics.scores import Judges
from registry.report import media
from registry.report.page import ScoredVersion, render_report, unmeasured_report
from registry.verdicts.store import SignedVerdict

HOSTILE = "<script>alert('x')</script>&\"</td>"
VOID = {"meta", "br", "img", "input", "link"}
HEARD = {
    "fine": TEXT,
    "lost": "one two three four",
    "changed": TEXT.replace("five", "nine"),
    "silent": "",
    "better": TEXT,
}
HEARD_BEFORE = {"fine": TEXT, "lost": TEXT, "changed": TEXT, "silent": TEXT, "better": "one two"}


class Page(HTMLParser):
    """The elements of a page. Tags that do not nest make it fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def rows(self) -> list[dict[str, str | None]]:
        """Return the rows of the table of prompts."""
        return [attributes for attributes in self.all("tr") if "data-prompt" in attributes]

    def players(self) -> list[str]:
        """Return the labels of the buttons that play."""
        return [button["aria-label"] for button in self.all("button") if button.get("data-sound")]

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> ScoredVersion:
    return score_folder(tmp_path_factory.mktemp("candidate"), HEARD)


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> ScoredVersion:
    return score_folder(tmp_path_factory.mktemp("champion"), HEARD_BEFORE)


def with_card(scored: ScoredVersion, **changes: object) -> ScoredVersion:
    return replace(scored, scorecard=scored.scorecard.model_copy(update=changes))


def test_page_nests_and_needs_nothing_from_outside(candidate, champion):
    page = Page(render_report(candidate, champion, signed=verdict_on(candidate, champion), pairs=pairs()))
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "object"} == set()
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert all(image["alt"] for image in page.all("img")) and len(page.players()) == 10


def test_decision_and_every_reason_come_before_any_figure(candidate, champion):
    signed = verdict_on(candidate, champion)
    page = Page(render_report(candidate, champion, signed=signed)).text()
    assert signed.verdict.outcome == "fail"
    head = page[: page.index("smaller is better")]
    assert "✕ fail Version 3 of the voice “robin” must not replace version 2" in head
    assert "failed utterances 0.2000" in head and "word error rate 0.3250" in head  # not the names of columns
    assert "threshold missed: " in head and "bar " not in head
    for reason in signed.verdict.decision.reasons:
        assert reason.text in head, reason


def test_page_of_a_first_release_names_no_champion(tmp_path):
    scored = score_folder(tmp_path, {"a": TEXT, "b": TEXT})
    page = Page(render_report(scored, signed=verdict_on(scored, None))).text()
    assert "✓ pass Version 3 of the voice “robin” may be released" in page
    assert "This synthetic voice has no champion to compare it with" in page and "champion:" not in page


def test_page_without_a_verdict_states_that_there_is_none_yet(candidate):
    page = Page(render_report(candidate, pairs=pairs())).text()
    assert "no verdict yet The voice “robin” has scores but no verdict yet" in page
    assert "32.5% this voice" in page and "recordings" in page


def test_hostile_text_is_shown_and_not_executed(tmp_path):
    row = utterance(
        tmp_path,
        "audio/a-0.flac",
        f"{HOSTILE} extra",
        reference=f"one {HOSTILE}",
        failures=(HOSTILE,),
        category=HOSTILE,
        prompt_id=HOSTILE,
    )
    judges = Judges(**dict.fromkeys(Judges.model_fields, HOSTILE))
    resynthesis = row.model_copy(update={"category": "resynthesis"})
    scored = with_card(
        score_folder(tmp_path, {}),
        voice=HOSTILE,
        judges=judges,
        prompts_sha256=HOSTILE,
        rows=(row,),
        held_out=(row,),
        resynthesis=(resynthesis,),
        seeds=(0,),
    )
    scored = replace(scored, lineage={HOSTILE: HOSTILE}, missing=HOSTILE)
    text = render_report(scored, pairs=pairs(), rule=HOSTILE)
    assert text.count("<script") == 1  # the page's own
    assert HOSTILE in Page(text).text()
    assert HOSTILE in Page(unmeasured_report(HOSTILE, HOSTILE)).text().replace("’", "'")


def test_equal_scores_give_equal_bytes_in_another_place(candidate, champion, tmp_path):
    shutil.copytree(candidate.folder, tmp_path / "elsewhere")
    signed = verdict_on(candidate, champion)
    first = render_report(candidate, champion, signed=signed, pairs=pairs())
    assert first == render_report(
        replace(candidate, folder=tmp_path / "elsewhere"), champion, signed=signed, pairs=pairs()
    )
    assert str(candidate.folder) not in first


def test_largest_losses_against_the_champion_come_first(candidate, champion):
    page = Page(render_report(candidate, champion, signed=verdict_on(candidate, champion)))
    assert [row["data-prompt"] for row in page.rows()] == ["silent", "lost", "changed", "fine", "better"]
    assert "12.5% 0.0% +12.5 points" in page.text()


def test_worst_prompts_come_first_without_a_champion(candidate):
    page = render_report(candidate)
    assert [row["data-prompt"] for row in Page(page).rows()] == ["silent", "lost", "changed", "better", "fine"]
    card = candidate.scorecard
    assert page == render_report(with_card(candidate, rows=card.rows[::-1]))


def test_every_failure_is_counted_for_both_versions_and_the_recordings(candidate, champion):
    real = tuple(row.model_copy(update={"failures": ("runaway",)}) for row in candidate.scorecard.held_out)
    page = Page(render_report(with_card(candidate, held_out=real), champion, signed=verdict_on(candidate, champion)))
    assert re.search(r"empty Nothing was heard\. Prompt 1 \. 1 of 5 0 of 5 0 of 3", page.text())
    assert re.search(r"runaway Far longer than the text needs\. 0 of 5 0 of 5 3 of 3", page.text())
    assert [row["data-failures"] for row in page.rows()] == ["empty", "", "", "", ""]


def test_recording_and_voice_stand_side_by_side_on_the_same_sentence(candidate, champion):
    page = Page(render_report(candidate, champion, signed=verdict_on(candidate, champion)))
    sounds = [sound["aria-label"] for sound in page.all("audio") if "src" in sound]
    assert sounds == [
        f"{who}, {place} sentence"
        for place in ("best", "middle", "worst")
        for who in ("real recording", "version 3", "version 2")
    ]
    assert len(page.all("img")) == 9 and "6 of 8 words wrong" in page.text()


@pytest.mark.parametrize(("n_resynthesized", "places"), [(0, []), (1, ["best"]), (2, ["best", "worst"])])
def test_every_sentence_is_shown_if_the_resynthesis_has_few(candidate, n_resynthesized, places):
    page = Page(render_report(with_card(candidate, resynthesis=candidate.scorecard.resynthesis[:n_resynthesized])))
    assert [s["aria-label"].split(", ")[1].split()[0] for s in page.all("audio") if "src" in s] == [
        place for place in places for _ in range(2)
    ]
    assert ("Listen: the speaker" in page.text()) == bool(n_resynthesized)


def test_page_without_recordings_or_speech_states_that(candidate):
    nothing = Page(render_report(with_card(candidate, rows=(), held_out=(), resynthesis=()))).text()
    assert "Nothing was spoken, so nothing could be measured." in nothing and "not measured" in nothing
    assert "There are no real recordings to compare with." in nothing and "nan" not in nothing.lower().split()
    assert "Which checkpoint pair" not in nothing


def test_unmeasured_similarity_has_no_figure_and_an_explanation(candidate):
    first, *others = candidate.scorecard.rows
    rows = (first.model_copy(update={"similarity": None}), *others)
    text = Page(render_report(with_card(candidate, rows=rows), pairs=pairs())).text()
    assert "It could not be measured in 1 of 5, so there is no figure for all; the mean of the other 4 is 0.80." in text
    assert "A ? stands for a figure that could not be measured." in text


def test_similarity_is_between_recordings_and_other_speakers_and_ungated_figures_are_named(candidate, champion):
    rows = tuple(row.model_copy(update={"similarity": 0.8, "mos": 3.1}) for row in candidate.scorecard.rows)
    real = tuple(row.model_copy(update={"similarity": 0.9}) for row in candidate.scorecard.held_out)
    text = Page(render_report(with_card(candidate, rows=rows, held_out=real))).text()
    assert "The gate uses only the first row" in text and f"what {FLOOR.n} other speakers reach" in text
    assert re.search(r"Similarity to the reference clip [^—\d]*0\.80 0\.90 0\.10", text)
    assert re.search(r"Predicted opinion score \D*1 to 5\. The gate does not use it\. 3\.10 — —", text)


def test_property_that_was_not_measured_has_no_row(candidate):
    rows = tuple(row.model_copy(update={"mos": None}) for row in candidate.scorecard.rows)
    real = tuple(row.model_copy(update={"mos": None}) for row in candidate.scorecard.held_out)
    assert "Predicted opinion score" not in Page(render_report(with_card(candidate, rows=rows, held_out=real))).text()


def test_lineage_names_versions_commit_policy_and_judges(candidate, champion):
    signed = verdict_on(candidate, champion)
    text = Page(render_report(candidate, champion, signed=signed)).text()
    decision = signed.verdict.decision
    for shown in ("a" * 64, "b" * 64, "c" * 40, decision.policy_sha256, signed.sha256, "pocketsphinx 5.1.1", "e" * 64):
        assert shown in text


def test_lost_audio_is_named_and_the_rest_can_be_played(candidate, champion):
    gone = replace(champion, folder=None, missing="the artifact store was emptied")
    page = Page(render_report(candidate, gone, signed=verdict_on(candidate, champion)))
    assert "The audio of version 2 is not here: the artifact store was emptied" in page.text()
    assert len(page.players()) == 5 and all(label.startswith("Play version 3") for label in page.players())


def test_page_that_would_grow_too_big_keeps_the_first_seeds(tmp_path, monkeypatch):
    scored = score_folder(tmp_path, HEARD, n_seeds=2)
    whole = Page(render_report(scored))
    assert len(whole.players()) == 10
    resynthesis = sum(len(sound["src"].partition(",")[2]) for sound in whole.all("audio") if "src" in sound)
    sizes = {b["aria-label"]: len(b["data-sound"]) for b in whole.all("button") if "data-sound" in b}
    kept = [size for label, size in sizes.items() if "seed 0" in label or "silent" in label]
    monkeypatch.setattr(media, "MAX_AUDIO_CHARS", resynthesis + sum(kept))
    page = Page(render_report(scored))
    labels = [label.split("prompt ")[1] for label in page.players()]
    assert sorted(labels) == sorted([f"{name}, seed 0" for name in HEARD] + ["silent, seed 1"])
    assert "4 of 10 utterances have no player here" in page.text()
    assert page.text().count("no player: audio/") == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("audio/absent-0.flac", r"absent-0\.flac: .*run the evaluate stage again"),
        ("audio/broken.flac", r"broken\.flac: cannot be decoded"),
        ("audio/../../secret.flac", "names the audio 'audio/../../secret.flac', which is not in its score folder"),
        ("/etc/passwd", "which is not in its score folder"),
    ],
)
def test_missing_broken_or_outside_audio_is_an_error(tmp_path, name, message):
    scored = score_folder(tmp_path, {"a": TEXT})
    (tmp_path / "audio/broken.flac").write_text("no audio")
    row = scored.scorecard.rows[0].model_copy(update={"audio": name})
    with pytest.raises(ValueError, match=message):
        render_report(with_card(scored, rows=(row,)))


def test_row_without_audio_states_that(candidate):
    row = candidate.scorecard.rows[0].model_copy(update={"audio": ""})
    page = Page(render_report(with_card(candidate, rows=(row,))))
    assert "No audio was kept." in page.text() and page.players() == []


def test_interpolated_pair_is_named_beside_the_maps_and_not_in_them(candidate):
    rows = pairs()
    interpolated = rows[-1] | {"interpolation_weight": 0.5, "wer": 0.0625, "similarity": 0.77, "kept": True}
    plain, page = (Page(render_report(candidate, pairs=some)) for some in (rows, [*rows, interpolated]))
    words = (
        "SoVITS between the base model and the adapted one, with interpolation weight 0.50 (1 is the adapted one): "
        "word error rate 6.2%, speaker similarity 0.77, chosen."
    )
    assert words in page.text() and words not in plain.text()
    assert page.text().replace(words, "").split() == plain.text().split()


def test_lane_that_did_not_pass_has_its_figures_and_reasons_in_a_table_of_its_own(candidate):
    without = Page(render_report(candidate))
    assert not [heading for heading in without.all("h2") if heading.get("id") == "lanes"]
    streamed = with_card(candidate, lanes=(lane_scores(wer=0.4),))
    before = render_report(streamed)
    rules = policy(lanes={"realtime": language_rules()})
    verdict = make_verdict(scorecard(lanes=(lane_scores(wer=0.6),)), None, rules)
    after = render_report(streamed, signed=SignedVerdict(verdict, "0" * 64, STAMP))
    sections = []
    for page in (before, after):
        Page(page)  # nests
        sections.append(re.search(r'<section>\n<h2 id="lanes">.*?</section>', page, flags=re.DOTALL).group())
    assert "40.0%" in sections[0] and "none yet" in sections[0] and "not served" not in sections[0]
    assert '<td class="broken">fail</td>' in sections[1] and "the voice is not served" in sections[1]
    assert "lane realtime" in sections[1] and "threshold missed: word error rate 0.6000" in sections[1]


def test_languages_have_a_table_with_their_unit_and_the_others_figures_stand_nowhere_else(candidate, champion):
    without = Page(render_report(candidate, champion))
    assert not [heading for heading in without.all("h2") if heading.get("id") == "languages"]
    zh = with_card(candidate, other_languages=(language_scores("zh", wer=0.3),))
    page = render_report(zh, champion)
    Page(page)  # nests
    section = re.search(r'<section>\n<h2 id="languages">.*?</section>', page, flags=re.DOTALL).group()
    assert "Mandarin <small>24</small>" in section and "<td>character</td>" in section and "30.0%" in section
    assert "not measured" in section  # the champion was not scored in it
    assert page.replace(section, "").split() == render_report(candidate, champion).split()

"""The report's page: the decision first, complete, in order, safe with hostile text, and the same bytes every time."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from release_helpers import FLOOR
from report_helpers import TEXT, pairs, score_folder, utterance, verdict_on

from metrics.scores import Judges
from registry.report import Scored, media, render_report, unmeasured_report

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
    """The elements of a page. Fails on tags that do not nest."""

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
        """The rows of the table of sentences."""
        return [attributes for attributes in self.all("tr") if "data-prompt" in attributes]

    def players(self) -> list[str]:
        """The labels of the buttons that play."""
        return [button["aria-label"] for button in self.all("button") if button.get("data-sound")]

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return score_folder(tmp_path_factory.mktemp("candidate"), HEARD)


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return score_folder(tmp_path_factory.mktemp("champion"), HEARD_BEFORE)


def with_card(scored: Scored, **changes: object) -> Scored:
    return replace(scored, scorecard=scored.scorecard.model_copy(update=changes))


def test_page_nests_and_needs_nothing_from_outside(candidate, champion):
    page = Page(render_report(candidate, champion, verdict_on(candidate, champion), pairs()))
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
    page = Page(render_report(candidate, champion, signed)).text()
    assert signed.verdict.outcome == "fail"
    head = page[: page.index("smaller is better")]
    assert "✕ fail Version 3 of the voice “robin” must not replace version 2" in head
    assert "failed utterances 0.2000" in head and "word error rate 0.3250" in head  # names of people, not of columns
    for reason in signed.verdict.decision.reasons:
        assert reason.text in head, reason


def test_first_release_that_passes_says_that_nothing_was_compared(tmp_path):
    scored = score_folder(tmp_path, {"a": TEXT, "b": TEXT})
    page = Page(render_report(scored, None, verdict_on(scored, None))).text()
    assert "✓ pass Version 3 of the voice “robin” may be released" in page
    assert "there is nothing in use to compare it with" in page and "was " not in page.split("What was heard")[1][:300]


def test_without_a_verdict_the_same_page_says_that_it_is_not_judged(candidate):
    page = Page(render_report(candidate, pairs=pairs())).text()
    assert "not judged yet The voice “robin” was measured and is not judged yet" in page
    assert "32.5% this voice" in page and "the speaker" in page


def test_hostile_text_is_shown_and_not_obeyed(tmp_path):
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
    first = render_report(candidate, champion, signed, pairs())
    assert first == render_report(replace(candidate, folder=tmp_path / "elsewhere"), champion, signed, pairs())
    assert str(candidate.folder) not in first


def test_what_was_lost_against_the_champion_comes_first(candidate, champion):
    page = Page(render_report(candidate, champion, verdict_on(candidate, champion)))
    assert [row["data-prompt"] for row in page.rows()] == ["silent", "lost", "changed", "fine", "better"]
    assert "12.5% was 0.0% +12.5 points" in page.text()


def test_without_a_champion_the_worst_come_first_whatever_the_order_of_rows(candidate):
    page = render_report(candidate)
    assert [row["data-prompt"] for row in Page(page).rows()] == ["silent", "lost", "changed", "better", "fine"]
    card = candidate.scorecard
    assert page == render_report(with_card(candidate, rows=card.rows[::-1]))


def test_every_failure_is_counted_for_both_versions_and_the_recordings(candidate, champion):
    real = tuple(row.model_copy(update={"failures": ("runaway",)}) for row in candidate.scorecard.held_out)
    page = Page(render_report(with_card(candidate, held_out=real), champion, verdict_on(candidate, champion)))
    assert re.search(r"empty Nothing was heard\. Sentence 1 \. 1 of 5 0 of 5 0 of 3", page.text())
    assert re.search(r"runaway Far longer than the text needs\. 0 of 5 0 of 5 3 of 3", page.text())
    assert [row["data-failures"] for row in page.rows()] == ["empty", "", "", "", ""]


def test_recording_and_voice_stand_side_by_side_on_the_same_sentence(candidate, champion):
    page = Page(render_report(candidate, champion, verdict_on(candidate, champion)))
    sounds = [sound["aria-label"] for sound in page.all("audio") if "src" in sound]
    assert sounds == [
        f"{who}, {face} sentence"
        for face in ("best", "middle", "worst")
        for who in ("real recording", "version 3", "version 2")
    ]
    assert len(page.all("img")) == 9 and "6 of 8 words wrong" in page.text()


@pytest.mark.parametrize(("n_resynthesized", "faces"), [(0, []), (1, ["best"]), (2, ["best", "worst"])])
def test_with_few_twins_those_there_are_are_heard(candidate, n_resynthesized, faces):
    page = Page(render_report(with_card(candidate, resynthesis=candidate.scorecard.resynthesis[:n_resynthesized])))
    assert [s["aria-label"].split(", ")[1].split()[0] for s in page.all("audio") if "src" in s] == [
        face for face in faces for _ in range(2)
    ]
    assert ("Hear it" in page.text()) == bool(n_resynthesized)


def test_without_recordings_or_speech_the_page_says_so(candidate):
    nothing = Page(render_report(with_card(candidate, rows=(), held_out=(), resynthesis=()))).text()
    assert "Nothing was spoken, so nothing could be measured." in nothing and "not measured" in nothing
    assert "There are no real recordings to compare with." in nothing and "nan" not in nothing.lower().split()
    assert "Which checkpoint pair" not in nothing


def test_unmeasured_likeness_has_no_figure_and_is_explained(candidate):
    first, *others = candidate.scorecard.rows
    rows = (first.model_copy(update={"similarity": None}), *others)
    text = Page(render_report(with_card(candidate, rows=rows), pairs=pairs())).text()
    assert "Could not be measured in 1 of 5, so there is no figure for all; the mean of the other 4 is 0.80." in text
    assert "? is what could not be measured" in text


def test_likeness_stands_between_the_recordings_and_other_speakers_and_what_is_not_gated_says_so(candidate, champion):
    rows = tuple(row.model_copy(update={"similarity": 0.8, "mos": 3.1}) for row in candidate.scorecard.rows)
    real = tuple(row.model_copy(update={"similarity": 0.9}) for row in candidate.scorecard.held_out)
    text = Page(render_report(with_card(candidate, rows=rows, held_out=real))).text()
    assert "Of these the gate asks for the first alone" in text and f"what {FLOOR.n} other speakers do" in text
    assert re.search(r"Likeness to the reference [^—\d]*0\.80 0\.90 0\.10", text)
    assert re.search(r"Predicted opinion \D*1 to 5; not gated\. 3\.10 — —", text)


def test_what_was_not_measured_has_no_row(candidate):
    rows = tuple(row.model_copy(update={"mos": None}) for row in candidate.scorecard.rows)
    real = tuple(row.model_copy(update={"mos": None}) for row in candidate.scorecard.held_out)
    assert "Predicted opinion" not in Page(render_report(with_card(candidate, rows=rows, held_out=real))).text()


def test_lineage_names_versions_commit_policy_and_judges(candidate, champion):
    signed = verdict_on(candidate, champion)
    text = Page(render_report(candidate, champion, signed)).text()
    decision = signed.verdict.decision
    for shown in ("a" * 64, "b" * 64, "c" * 40, decision.policy_sha256, signed.sha256, "pocketsphinx 5.1.1", "e" * 64):
        assert shown in text


def test_audio_that_the_registry_lost_is_named_and_the_rest_plays(candidate, champion):
    gone = replace(champion, folder=None, missing="the artifact store was emptied")
    page = Page(render_report(candidate, gone, verdict_on(candidate, champion)))
    assert "The sound of version 2 is not here: the artifact store was emptied" in page.text()
    assert len(page.players()) == 5 and all(label.startswith("Play version 3") for label in page.players())


def test_a_page_that_would_grow_too_big_plays_first_takes_first(tmp_path, monkeypatch):
    scored = score_folder(tmp_path, HEARD, n_seeds=2)
    whole = Page(render_report(scored))
    assert len(whole.players()) == 10
    resynthesis = sum(len(sound["src"].partition(",")[2]) for sound in whole.all("audio") if "src" in sound)
    sizes = {b["aria-label"]: len(b["data-sound"]) for b in whole.all("button") if "data-sound" in b}
    kept = [size for label, size in sizes.items() if "take 0" in label or "silent" in label]
    monkeypatch.setattr(media, "MAX_AUDIO_CHARS", resynthesis + sum(kept))
    page = Page(render_report(scored))
    takes = [label.split("sentence ")[1] for label in page.players()]
    assert sorted(takes) == sorted([f"{name}, take 0" for name in HEARD] + ["silent, take 1"])
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
def test_audio_that_is_not_there_is_an_error(tmp_path, name, message):
    scored = score_folder(tmp_path, {"a": TEXT})
    (tmp_path / "audio/broken.flac").write_text("no audio")
    row = scored.scorecard.rows[0].model_copy(update={"audio": name})
    with pytest.raises(ValueError, match=message):
        render_report(with_card(scored, rows=(row,)))


def test_a_row_without_audio_says_so(candidate):
    row = candidate.scorecard.rows[0].model_copy(update={"audio": ""})
    page = Page(render_report(with_card(candidate, rows=(row,))))
    assert "No audio was kept." in page.text() and page.players() == []


def test_a_pair_that_was_drawn_back_is_named_beside_the_maps_and_not_in_them(candidate):
    rows = pairs()
    drawn = rows[-1] | {"interpolation_weight": 0.5, "wer": 0.0625, "similarity": 0.77, "kept": True}
    plain, page = (Page(render_report(candidate, pairs=some)) for some in (rows, [*rows, drawn]))
    words = "With 50% of the adapted SoVITS and the rest of the base: word mistakes 6.2%, likeness 0.77, chosen."
    assert words in page.text() and words not in plain.text()
    assert page.text().replace(words, "").split() == plain.text().split()

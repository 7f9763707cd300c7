"""The server of `vox review`: who gets an answer, and how decisions become rows of corrections.jsonl."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from http_helpers import ask, request
from imports import ROOT
from review_helpers import (
    PAUSE_SECONDS,
    RATE,
    TEXTS,
    VOICE,
    clips_of,
    decisions_of,
    details_of,
    reviewing,
    rows_of,
)

from flows.commands.review import review_voice
from flows.review_page.server import ReviewServer
from flows.review_page.session import Session
from stages.align import NO_WORDS
from stages.params import load_params

REVIEW = (sys.executable, "-u", "-m", "flows.cli", "review")


def sound_of(url, clip):
    status, headers, content = request(f"{url}sound?key={urllib.parse.quote(clip['key'])}")
    assert (status, headers["content-type"]) == (200, "audio/wav")
    samples, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    return samples


def decide(url, clip, action, **more):
    return ask(url, "decide", key=clip["key"], revision=details_of(url, clip)["revision"], action=action, **more)


def refused(url, clip, action, **more):
    body = {"key": clip["key"], "revision": details_of(url, clip)["revision"], "action": action, **more}
    status, _, content = request(f"{url}decide", body)
    return status, json.loads(content)["error"]


# decisions


def test_a_text_a_drop_and_a_restore_are_shown_before_the_next_run(address, project):
    first, doubtful, wrong, short = clips_of(address)
    assert [one["kept"] for one in (first, doubtful, wrong, short)] == [True, True, False, True]
    decide(address, wrong, "text", text=TEXTS[7])
    decide(address, short, "drop")
    decide(address, short, "restore")
    decide(address, first, "drop")
    now = clips_of(address)
    assert [(one["text"], one["kept"], one["decided"], one["pending"]) for one in now] == [
        (TEXTS[0], False, True, True),
        (TEXTS[5], True, False, False),
        (TEXTS[7], True, True, True),
        (TEXTS[2], True, True, True),
    ]
    assert now[0]["reason"].startswith("dropped by review: anna 20")
    assert [row.action for row in rows_of(project)] == ["text", "drop", "restore", "drop"]
    assert {row.by for row in rows_of(project)} == {"anna"}
    assert details_of(address, now[2])["text_source"] == "corrected"


def test_a_clip_whose_text_has_no_scored_word_cannot_be_kept(address, project):
    path = project / "data/3_aligned" / VOICE / "clips.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= {"text": "Mm-hmm.", "words": [["Mm-hmm", 0.1, 0.9]], "kept": False, "reason": NO_WORDS}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    first = clips_of(address)[0]
    status, error = refused(address, first, "restore")
    assert status == 409 and "its text has no word that errors are counted in" in error
    decide(address, first, "text", text="Mm-hmm, yes.")
    decide(address, clips_of(address)[0], "restore")
    assert [row.action for row in rows_of(project)] == ["text", "restore"]


def test_a_split_shows_both_parts_with_their_words_and_sound(address, project):
    clip = clips_of(address)[0]
    whole, at = sound_of(address, clip), details_of(address, clip)["words"][3][1]
    parts = decide(address, clip, "split", at=at)["clips"][:2]
    assert [part["text"] for part in parts] == [" ".join(TEXTS[0].split()[:3]), " ".join(TEXTS[0].split()[3:])]
    assert np.array_equal(np.concatenate([sound_of(address, part) for part in parts]), whole)
    assert details_of(address, parts[1])["words"][0][1] == pytest.approx(0, abs=0.01)
    assert decisions_of(project) == [("split", 0.0, round(at, 1))]


def test_a_merge_joins_texts_words_and_sounds_with_the_pause_between_them(address, project):
    first, second = clips_of(address)[:2]
    sounds, words = [sound_of(address, one) for one in (first, second)], details_of(address, second)["words"]
    joined = decide(address, first, "merge")["clips"][0]
    assert joined["text"] == f"{TEXTS[0]} {TEXTS[5]}"
    assert len(sound_of(address, joined)) == len(sounds[0]) + len(sounds[1]) + round(PAUSE_SECONDS * RATE)
    offset = first["seconds"] + PAUSE_SECONDS
    assert details_of(address, joined)["words"][-1][1] == pytest.approx(words[-1][1] + offset, abs=0.01)
    assert joined["doubt"] == 9.5  # what speaks against the second text still does
    assert [row.action for row in rows_of(project)] == ["merge"]


def test_a_corrected_text_goes_into_both_parts_of_a_split_and_into_a_merge(address, project):
    clip = clips_of(address)[0]
    corrected = "Hello, " + TEXTS[0]
    decide(address, clip, "text", text=corrected)
    at = details_of(address, clip)["words"][3][1]
    parts = decide(address, clip, "split", at=at)["clips"][:2]
    assert " ".join(part["text"] for part in parts) == corrected
    assert [one[0] for one in decisions_of(project)] == ["text", "split", "text", "text"]
    merged = decide(address, parts[0], "merge")["clips"][0]
    assert (merged["text"], merged["key"]) == (corrected, clip["key"])
    for _ in range(3):
        ask(address, "undo")
    assert clips_of(address)[0] == {**clip, "pending": False, "decided": False}


def test_both_parts_of_a_dropped_clip_stay_dropped_and_so_does_what_they_are_merged_to(address, project):
    clip = clips_of(address)[0]
    decide(address, clip, "text", text="Hello, " + TEXTS[0])
    decide(address, clip, "drop")
    parts = decide(address, clip, "split", at=details_of(address, clip)["words"][3][1])["clips"][:2]
    assert [part["kept"] for part in parts] == [False, False]
    assert all(part["reason"].startswith("dropped by review: anna 20") for part in parts)
    merged = decide(address, parts[0], "merge")["clips"][0]
    assert (merged["key"], merged["text"], merged["kept"]) == (clip["key"], "Hello, " + TEXTS[0], False)
    status, error = refused(address, merged, "merge")
    assert status == 409
    assert error.startswith("this clip is dropped and the next one is left to the limits, so they cannot be merged")
    decide(address, clips_of(address)[1], "restore")
    assert "the next one is kept by a person" in refused(address, merged, "merge")[1]
    decide(address, merged, "restore")
    assert decide(address, merged, "merge")["clips"][0]["kept"]
    assert [row.action for row in rows_of(project)][-3:] == ["restore", "merge", "text"]


def test_undo_takes_back_the_last_request_of_this_reviewer_alone(address, project):
    first, second = clips_of(address)[:2]
    decide(address, first, "drop")
    with reviewing(project, "bob") as (_, other):
        decide(other, second, "drop")
        assert ask(address, "undo")["undone"].startswith("drop of 0.00-")
        assert [one["kept"] for one in clips_of(other)[:2]] == [True, False]
        assert "anna has made no decision that can be undone" in json.loads(request(f"{address}undo", {})[2])["error"]
    assert [(row.action, row.by) for row in rows_of(project)] == [("drop", "anna"), ("drop", "bob"), ("undo", "anna")]


def test_a_page_that_shows_something_older_is_refused_and_told_so(address, project):
    clip = clips_of(address)[0]
    stale = details_of(address, clip)["revision"]
    decide(address, clip, "drop")
    status, _, content = request(
        f"{address}decide", {"key": clip["key"], "revision": stale, "action": "text", "text": "x"}
    )
    assert status == 410 and "anna decided about this clip meanwhile" in json.loads(content)["error"]
    for one in clips_of(address)[:2]:
        decide(address, one, "restore")
    decide(address, clip, "merge")
    status, _, content = request(f"{address}decide", {"key": clip["key"], "revision": stale, "action": "drop"})
    assert status == 410 and "cut in another way meanwhile" in json.loads(content)["error"]
    assert [row.action for row in rows_of(project)] == ["drop", "restore", "restore", "merge"]


def test_two_pages_that_decide_at_once_lose_no_row(address, project):
    clips = clips_of(address)
    with reviewing(project, "bob") as (_, other), ThreadPoolExecutor(2) as pool:

        def many(url, mine):
            for number in range(10):
                decide(url, mine, "text", text=f"text {number}")

        for done in [pool.submit(many, address, clips[0]), pool.submit(many, other, clips[3])]:
            done.result()
    rows = rows_of(project)
    for name in ("anna", "bob"):
        assert [row.text for row in rows if row.by == name] == [f"text {number}" for number in range(10)]


@pytest.mark.parametrize(
    ("action", "more", "message"),
    [
        ("split", {"at": 0.4}, "each part must have at least 1 s (segment.min_clip_seconds)"),
        ("split", {}, "cannot be split there"),
        ("text", {"text": " \n "}, "is empty"),
        ("text", {"text": "a\u0000b"}, "cannot be shown"),
        ("text", {}, "needs `text`"),
    ],
)
def test_an_impossible_decision_is_one_sentence_and_writes_nothing(address, project, action, more, message):
    status, error = refused(address, clips_of(address)[0], action, **more)
    assert status == 409 and message in error and "\n" not in error
    assert rows_of(project) == []


def test_the_last_clip_has_none_to_be_merged_with_and_a_long_merge_is_refused(address, project):
    clips = clips_of(address)
    assert "last clip of its recording" in refused(address, clips[2], "merge")[1]
    decide(address, clips[0], "merge")
    long = clips_of(address)[0]
    if long["seconds"] + clips[2]["seconds"] + PAUSE_SECONDS > 12:
        assert "at most 12 s are allowed (segment.max_clip_seconds)" in refused(address, long, "merge")[1]
    assert [row.action for row in rows_of(project)] == ["merge"]


def test_a_correction_of_a_recording_that_is_gone_is_reported(address, project):
    folder = project / "data/1_recordings" / VOICE
    row = {
        "recording_sha256": "0" * 64,
        "start": 1.0,
        "end": 2.0,
        "action": "drop",
        "by": "x",
        "when": "2026-01-01T00:00:00Z",
    }
    (folder / "corrections.jsonl").write_text(json.dumps(row) + "\n")
    notes = json.loads(request(f"{address}clips")[2])["notes"]
    assert len(notes) == 1 and notes[0].startswith("corrections.jsonl:1: drop of 1.00-2.00 s: no usable recording")


def test_a_broken_file_is_one_sentence_and_is_not_overwritten(address, project):
    path = project / "data/1_recordings" / VOICE / "corrections.jsonl"
    clip = clips_of(address)[0]
    body = {"key": clip["key"], "revision": details_of(address, clip)["revision"], "action": "drop"}
    path.write_text("half a row")
    for status, _, content in (request(f"{address}clips"), request(f"{address}decide", body)):
        assert status == 409 and "corrections.jsonl:1: " in json.loads(content)["error"]
    assert path.read_text() == "half a row"


def test_a_change_from_outside_is_seen_by_the_next_question(address, project):
    version = json.loads(request(f"{address}clips")[2])["version"]
    assert json.loads(request(f"{address}clips?known={version}")[2]) == {"version": version}
    table = project / "data/3_aligned" / VOICE / "clips.jsonl"
    table.write_text(table.read_text().replace(TEXTS[0], "Something new."))
    answer = json.loads(request(f"{address}clips?known={version}")[2])
    assert answer["version"] != version and answer["clips"][0]["text"] == "Something new."


def test_a_run_in_progress_leaves_the_page_as_it_was_and_takes_decisions(address, project):
    before = clips_of(address)
    for folder in ("2_clips", "3_aligned"):
        shutil.rmtree(project / "data" / folder / VOICE)  # as DVC does when the stage begins
    answer = json.loads(request(f"{address}clips")[2])
    assert answer["clips"] == before and "a run is making the clips anew" in answer["notes"][0]
    decide(address, before[0], "drop")
    assert ask(address, "undo")["undone"].startswith("drop of")
    status, _, content = request(f"{address}sound?key={urllib.parse.quote(before[0]['key'])}")
    assert status == 409 and "the sound of this clip is missing" in json.loads(content)["error"]
    assert [row.action for row in rows_of(project)] == ["drop", "undo"]


# the command


def test_the_command_serves_this_machine_only_and_says_what_counts(project):
    process = subprocess.Popen(
        [*REVIEW, VOICE, "--reviewer", "anna"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # tests run in the background ignore this signal, and a child would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    printed = []
    try:
        for line in process.stdout:
            printed.append(line)
            if "http://" in line:
                break
        url = next(word for word in printed[-1].split() if word.startswith("http://127.0.0.1:"))
        decide(url, clips_of(url)[0], "drop")
        with (
            pytest.raises(OSError),
            socket.create_connection((own_address(), urllib.parse.urlsplit(url).port), timeout=2),
        ):
            pass
    finally:
        process.send_signal(signal.SIGINT)
        printed.append(process.communicate(timeout=30)[0])
    text = "".join(printed)
    assert process.returncode == 0, text
    assert "4 clips of anna, 1 of them rejected; you decide as anna" in text
    assert "1 new row in data/1_recordings/anna/corrections.jsonl" in text and "vox run anna" in text
    assert "Traceback" not in text and "INFO" not in text


def own_address():
    """Return an address of this machine other than 127.0.0.1."""
    return next((a for a in socket.gethostbyname_ex(socket.gethostname())[2] if a != "127.0.0.1"), "127.0.0.2")


def test_an_impossible_review_is_one_sentence(project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(ValueError, match=r"voice\.yaml"):
        review_voice("nobody", port=0, reviewer="anna")
    with pytest.raises(ValueError, match="cannot be a reviewer's name"):
        review_voice(VOICE, port=0, reviewer="x" * 65)
    (project / "data/3_aligned" / VOICE / "clips.jsonl").unlink()
    with pytest.raises(ValueError, match="nothing to review before the clips have their texts; run `vox run anna`"):
        review_voice(VOICE, port=0, reviewer="anna")


def test_a_port_in_use_is_named(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} cannot be used"):
            ReviewServer(
                Session(voice=VOICE, reviewer="anna", limits=load_params(project / "params.yaml").segment), port=port
            )

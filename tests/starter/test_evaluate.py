"""The scores of the base: who lends his style to whom, floor and ceiling, and every part with untrained weights."""

from __future__ import annotations

import json
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest
import torch

from gpt_sovits.synthesis.synthesizer import Synthesizer
from starter import evaluate, scoring, settings, voices
from starter.evaluate import (
    build_set,
    build_stage_base,
    frame_errors,
    preset_settings,
    score_part,
    similarity_floor,
    speak_texts,
)
from starter.phones import PHONES
from starter.scoring import Judges, relative_similarity
from starter.scratch import babble, make_scratch
from starter.store import Utterance, write_corpus
from starter.training import save_network

DIRECTIONS = {"anna": np.array([1.0, 0.0, 0.0]), "bob": np.array([0.0, 1.0, 0.0])}
SHORT = {"max_length_factor": 1.0, "max_retries": 0, "n_best_of": 1}  # untrained weights never end a sentence


class Here(Executor):
    """Runs jobs at once in this process."""

    def submit(self, work, *arguments):
        done = Future()
        done.set_result(work(*arguments))
        return done


class Ear:
    """A speaker judge that hears a speaker in the first sample."""

    name, version = "ear", "1"

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        if not waveform.any():
            raise ValueError("silence")
        return {1: DIRECTIONS["anna"], 2: DIRECTIONS["bob"]}.get(
            round(float(waveform[0]) * 32768), np.array([0, 0, 1.0])
        )


def utterance(name: str, voice: str, text: str = "Come in.", seconds: float = 1.2) -> Utterance:
    waveform = (babble(seconds, seed=len(name)) * 20000).astype(np.int16)
    waveform[0] = {"anna": 1, "bob": 2}.get(voice, 3)
    return Utterance(name, voice, text, waveform, [("sil", seconds)])


@pytest.fixture
def judges(monkeypatch) -> Judges:
    monkeypatch.setattr(scoring, "transcribe", lambda job: "come in" if job[0] == "pocketsphinx" else "come on")
    return Judges(Here(), Ear())


@pytest.fixture(scope="module")
def base():
    return make_scratch()


@pytest.fixture
def work(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(settings, "WORK", tmp_path)
    monkeypatch.setattr(evaluate, "WORK", tmp_path)
    return tmp_path


def test_the_style_comes_from_the_next_recording_of_the_same_speaker():
    some = [utterance("a1", "anna"), utterance("b1", "bob"), utterance("a2", "anna"), utterance("b2", "bob")]
    speech = build_set("lj", some)
    assert [others[0].name for others in speech.companions] == ["a2", "b2", "a1", "b1"]


def test_a_speaker_with_one_recording_in_the_set_borrows_from_his_corpus(work):
    corpus = [utterance(f"own_{i}", "anna") for i in range(9)] + [utterance("common", "anna")]
    write_corpus(work / "corpus" / "anna", corpus)
    speech = build_set("known", corpus[-1:])
    assert [other.name for other in speech.companions[0]] == ["own_5", "own_6", "own_7", "own_8"]


def test_other_people_borrow_from_the_corpus_of_all_of_them_and_the_silent_ones_are_left_out(work):
    corpus = [utterance("a1", "anna"), utterance("a2", "anna", text=""), utterance("b1", "bob")]
    write_corpus(work / "corpus" / voices.OTHER_PEOPLE, corpus)
    speech = build_set(voices.PEOPLE, corpus)
    assert [one.name for one in speech.utterances] == ["a1"]  # a2 has no text, bob no second recording
    assert [other.name for other in speech.companions[0]] == ["a2"]


def test_recordings_are_the_ceiling_and_other_speakers_the_floor(judges, base):
    both = build_set("lj", [utterance(f"{voice[0]}{i}", voice) for voice in ("anna", "bob") for i in range(2)])
    assert similarity_floor(both, [both], judges) == pytest.approx(0.0)
    scores = score_part("real", base, both, judges)
    assert scores["similarity"] == pytest.approx(1.0)
    assert scores["wer"] == pytest.approx(0.5)
    assert scores["wer_pocketsphinx"] == 0.0


def test_the_floor_of_a_lone_speaker_is_that_of_the_speakers_of_other_sets(judges):
    anna, bob = (build_set(voice, [utterance(f"{voice}{i}", voice) for i in range(2)]) for voice in ("anna", "bob"))
    assert similarity_floor(anna, [anna, bob], judges) == pytest.approx(0.0)
    assert np.isnan(similarity_floor(anna, [anna], judges))


def test_silence_resembles_nobody(judges):
    assert judges.cosine_of(np.zeros(16000, np.float32), [utterance("a", "anna")]) == 0.0


def test_a_similarity_lies_between_floor_and_ceiling():
    assert relative_similarity(0.5, 0.1, 0.9) == pytest.approx(0.5)
    assert np.isnan(relative_similarity(0.5, 0.9, 0.9))


@pytest.mark.parametrize("part", ["copy", "resynthesis", "speech"])
def test_every_part_is_scored(part, judges, base):
    speech = build_set("lj", [utterance(f"a{i}", "anna") for i in range(2)])
    scores = score_part(part, base, speech, judges, preset_settings() | SHORT)
    assert {"wer", "wer_pocketsphinx", "similarity"} <= set(scores)
    assert ("spectral" in scores) == (part == "copy")
    assert all(np.isfinite(value) for value in scores.values())


def test_the_networks_are_built_once_for_a_set(base, monkeypatch):
    built = []
    monkeypatch.setattr(Synthesizer, "__init__", _counting(Synthesizer.__init__, built))
    speech = build_set("lj", [utterance(f"a{i}", "anna") for i in range(3)])
    waveforms = speak_texts(base, speech, preset_settings() | SHORT)
    assert len(waveforms) == 3 and len(built) == 1


def _counting(function, calls):
    def counted(*arguments, **named):
        calls.append(arguments)
        return function(*arguments, **named)

    return counted


def test_the_preset_is_that_of_the_product():
    found = preset_settings()
    assert {"temperature", "n_best_of", "alignment_head", "prompted", "noise_scale"} <= set(found)


def test_frame_errors_take_the_final_labels_of_each_corpus(work, base, monkeypatch):
    some = [utterance("a1", "anna"), utterance("b1", "bob"), utterance("b2", "bob")]
    for voice in ("anna", "bob"):
        path = voices.labels_file(voice)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"name": one.name, "phones": [["s", 1.2]]} for one in some if one.voice == voice and one.name != "b2"]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    features = torch.zeros(1, len(PHONES), 60)
    features[0, PHONES.index("s"), :45] = 1.0
    monkeypatch.setattr(evaluate, "extract_ssl_features", lambda encoder, waveform: features)
    assert frame_errors(base.build_content_encoder(), {"known": some})["known"] == pytest.approx(15 / 60)


def test_a_base_before_pack_has_the_sovits_of_its_stage_and_a_gpt_only_if_there_is_one(work, base):
    encoder = {**base.content_encoder_config, "vocab_size": len(PHONES)}
    save_network(work / "content_encoder/content_encoder", "content_encoder", encoder, base.content_encoder_state)
    save_network(work / "prior/sovits", "sovits", base.sovits_config.to_dict(), base.sovits_state)
    found = build_stage_base("prior")
    assert not found.gpt_state
    assert found.sovits_state["enc_p.proj.weight"].dtype == torch.float16
    save_network(work / "gpt/gpt", "gpt", base.gpt_config.to_dict(), base.gpt_state)
    assert build_stage_base("prior").gpt_config == base.gpt_config


def test_the_command_writes_every_part_of_every_set(work, base, judges, monkeypatch, capsys):
    speech = [utterance(f"a{i}", "anna") for i in range(2)]
    monkeypatch.setattr(voices, "held_out_sets", lambda n: {"lj": speech[:n]})
    monkeypatch.setattr(evaluate, "load_base", lambda name: base)
    monkeypatch.setattr(evaluate, "load_judges", lambda: _Block(judges))
    evaluate.main(["--only", "real", "copy", "--n", "2"])
    results = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    assert list(results) == ["lj real", "lj copy"]
    assert results["lj real"]["similarity"] == pytest.approx(1.0)
    assert "lj             copy" in capsys.readouterr().out


class _Block:
    def __init__(self, value):
        self.value = value

    def __enter__(self):
        return self.value

    def __exit__(self, *error):
        return None

"""References: made from a clip, checked, stored and loaded."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sovits_tiny import tiny_sovits
from synthesis_tiny import GPT_CONFIG, PRESET, PRO_CONFIG, SOVITS_CONFIG, SPEAKER_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.audio import resample
from gpt_sovits.content_encoder.encoder import build_content_encoder
from gpt_sovits.speaker_encoder import SpeakerEncoder, speaker_embedding
from gpt_sovits.synthesis.preset import default_preset
from gpt_sovits.synthesis.reference import Reference, make_reference
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_voice, save_voice
from gpt_sovits.text.symbols import SYMBOLS
from gpt_sovits.weights.checkpoint import save_checkpoint

RATE = 8000


@functools.cache
def encoder():
    torch.manual_seed(0)
    return build_content_encoder(
        {
            "hidden_size": SOVITS_CONFIG.ssl_dim,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 8,
            "conv_dim": [8, 8],
            "conv_kernel": [400, 2],
            "conv_stride": [160, 2],
            "feat_extract_norm": "layer",
            "conv_bias": True,
            "num_conv_pos_embeddings": 4,
            "num_conv_pos_embedding_groups": 2,
        }
    )


def clip(seconds: float, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def reference_of(waveform: np.ndarray, text: str | None = "Hello there.", config=SOVITS_CONFIG, **parts) -> Reference:
    return make_reference(
        waveform, RATE, text, "en", parts.pop("encoder", encoder()), tiny_sovits(config=config), **parts
    )


def test_a_clip_with_text_gives_prompt_and_timbre():
    reference = reference_of(clip(4.0))
    assert reference.has_text and not reference.advice
    assert len(reference.semantic_tokens) == int((4.0 + 0.3) * 25)  # the clip, then silence
    assert reference.spectrogram.shape == (SOVITS_CONFIG.spectrogram_bins, 4 * 50)
    assert reference.seconds_per_phoneme == pytest.approx(4.3 / len(reference.phoneme_ids), rel=0.02)
    speech = Synthesizer(
        tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), reference, default_preset("en", reference.seconds_per_phoneme)
    ).say("Good morning.")
    assert np.abs(speech.waveform).max() > 0


def test_a_clip_without_text_gives_only_the_timbre():
    reference = reference_of(clip(4.0), text=None, encoder=None)
    assert not reference.has_text and len(reference.semantic_tokens) == 0
    assert torch.equal(reference.spectrogram, reference_of(clip(4.0)).spectrogram)
    synthesizer = Synthesizer(tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), reference, PRESET)
    (sentence,) = synthesizer.sentences("Good morning.", 0)
    prompt = synthesizer.prompt(sentence)
    assert torch.equal(prompt.phoneme_ids, sentence.phoneme_ids) and len(prompt.tokens) == 0
    assert len(synthesizer.say("Good morning.").waveform) > 0


@pytest.mark.parametrize(("seconds", "advised"), [(1.5, True), (3.0, False), (10.0, False), (11.0, True)])
def test_advice_is_given_for_clips_of_unusual_length(seconds, advised):
    assert bool(reference_of(clip(seconds), text=None).advice) == advised


def test_a_clip_beyond_full_scale_is_made_quieter():
    loud, quiet = reference_of(clip(3.0, 2.0), None), reference_of(clip(3.0, 1.0), None)
    torch.testing.assert_close(loud.spectrogram, quiet.spectrogram)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (clip(0.9), r"is 0.90 s long; it must be 1 to 30 s, best 3 to 10 s"),
        (clip(31.0), r"is 31.00 s long"),
        (clip(4.0, 0.0), "is silent"),
        (np.full(4 * RATE, np.nan, np.float32), "NaN or infinite samples"),
        (np.zeros((4 * RATE, 2), np.float32), r"has shape \(32000, 2\); it must be \(n,\)"),
    ],
)
def test_clips_that_cannot_be_a_reference_are_refused(waveform, message):
    with pytest.raises(ValueError, match=message):
        reference_of(waveform)


def test_missing_parts_are_named():
    with pytest.raises(ValueError, match="needs the content encoder"):
        reference_of(clip(4.0), encoder=None)
    with pytest.raises(ValueError, match="needs speaker embeddings of 64 values"):
        reference_of(clip(4.0), config=PRO_CONFIG)


def test_the_reference_holds_the_speaker_embedding():
    torch.manual_seed(0)
    speaker_encoder = SpeakerEncoder(SPEAKER_CONFIG).eval()
    reference = reference_of(clip(4.0), config=PRO_CONFIG, speaker_encoder=speaker_encoder)
    speech = torch.from_numpy(resample(clip(4.0), RATE, PRO_CONFIG.sample_rate))  # as the official pipeline does
    assert reference.speaker_embedding.shape == (PRO_CONFIG.speaker_dim,)
    assert torch.equal(reference.speaker_embedding, speaker_embedding(speaker_encoder, speech, PRO_CONFIG.sample_rate))
    synthesizer = Synthesizer(tiny_gpt(), tiny_sovits(config=PRO_CONFIG), reference, PRESET)
    assert np.abs(synthesizer.say("Good morning.").waveform).max() > 0


def test_speaker_embeddings_that_do_not_fit_the_sovits_are_refused():
    pro, plain = tiny_sovits(config=PRO_CONFIG), tiny_sovits(config=SOVITS_CONFIG)
    with pytest.raises(ValueError, match="reference 2 has no speaker embedding, which this SoVITS needs"):
        Synthesizer(tiny_gpt(), pro, [tiny_reference(speaker_dim=64), tiny_reference()], PRESET)
    with pytest.raises(ValueError, match="reference 1 has a speaker embedding of 64 values, this SoVITS takes none"):
        Synthesizer(tiny_gpt(), plain, tiny_reference(speaker_dim=64), PRESET)
    with pytest.raises(ValueError, match="no reference was given"):
        Synthesizer(tiny_gpt(), plain, [], PRESET)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"semantic_tokens": torch.zeros(0, dtype=torch.int64)}, "6 phonemes and 0 semantic tokens"),
        ({"phoneme_ids": torch.zeros(6)}, r"phoneme_ids must be \(n,\) int64"),
        ({"spectrogram": torch.full((3, 4), float("nan"))}, "spectrogram holds NaN"),
        ({"spectrogram": torch.zeros(3)}, "spectrogram has shape"),
        ({"bert_features": torch.zeros(8, 5)}, r"must be \(bert_dim, 6\)"),
    ],
)
def test_broken_references_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Reference(**tiny_reference().tensors() | change)


class FakeBert:
    """A BERT without networks, which are tested in test_bert.py."""

    dim = GPT_CONFIG.bert_dim


def test_bert_features_of_reference_and_sentence_are_joined(monkeypatch):
    monkeypatch.setattr(
        "gpt_sovits.synthesis.sentences.bert_features", lambda bert, phonemes: torch.ones(bert.dim, len(phonemes.ids))
    )
    plain = tiny_reference()
    twos = replace(plain, bert_features=torch.full((GPT_CONFIG.bert_dim, 6), 2.0))
    for reference, value in ((plain, 0.0), (twos, 2.0)):
        sovits = tiny_sovits(config=SOVITS_CONFIG)
        synthesizer = Synthesizer(tiny_gpt(), sovits, reference, PRESET, bert=FakeBert())
        (sentence,) = synthesizer.sentences("Hello.", 0)
        features = synthesizer.prompt(sentence).bert_features
        assert torch.equal(features[0], torch.tensor([value] * 6 + [1.0] * len(sentence.phoneme_ids)))
        assert len(synthesizer.say("Hello.").waveform) > 0


def test_a_bert_that_is_missing_or_does_not_fit_is_refused():
    reference = replace(tiny_reference(), bert_features=torch.zeros(GPT_CONFIG.bert_dim, 6))
    gpt, sovits = tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG)
    with pytest.raises(ValueError, match="no BERT was given for the text; pass `bert`"):
        Synthesizer(gpt, sovits, reference, PRESET)
    wide = FakeBert()
    wide.dim = 9
    with pytest.raises(ValueError, match="features of width 9, the GPT takes 8"):
        Synthesizer(gpt, sovits, reference, PRESET, bert=wide)


# ---- on disk ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(folder / "gpt", "gpt", GPT_CONFIG.to_dict(), tiny_gpt().state_dict())
    save_checkpoint(
        folder / "sovits", "sovits", SOVITS_CONFIG.to_dict(), tiny_sovits(config=SOVITS_CONFIG).state_dict()
    )
    save_checkpoint(folder / "pro", "sovits", PRO_CONFIG.to_dict(), tiny_sovits(config=PRO_CONFIG).state_dict())
    return folder


def test_a_saved_voice_speaks_the_same(checkpoints, tmp_path):
    save_voice(tmp_path / "voice", checkpoints / "gpt", checkpoints / "sovits", tiny_reference(), PRESET)
    assert sorted(path.name for path in (tmp_path / "voice").iterdir()) == [
        "gpt",
        "preset.json",
        "reference.safetensors",
        "sovits",
    ]
    expected = Synthesizer(tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), PRESET).say("Hello.", 3)
    assert np.array_equal(load_voice(tmp_path / "voice").say("Hello.", 3).waveform, expected.waveform)


def test_several_references_and_their_speaker_embeddings_are_restored(checkpoints, tmp_path):
    references = [tiny_reference(i, n_phonemes=4 + i, speaker_dim=64) for i in range(3)]
    save_voice(tmp_path / "voice", checkpoints / "gpt", checkpoints / "pro", references, PRESET)
    loaded = load_voice(tmp_path / "voice").references
    assert len(loaded) == 3
    for before, after in zip(references, loaded, strict=True):
        assert before.tensors().keys() == after.tensors().keys()
        assert all(torch.equal(value, after.tensors()[name]) for name, value in before.tensors().items())


def test_a_folder_of_the_previous_version_still_loads(checkpoints, tmp_path):
    """No max_retries in the preset, three tensors in the reference."""
    folder = tmp_path / "voice"
    save_voice(folder, checkpoints / "gpt", checkpoints / "sovits", tiny_reference(), PRESET)
    preset = (folder / "preset.json").read_text(encoding="utf-8")
    assert '"max_retries": 0' in preset
    (folder / "preset.json").write_text(preset.replace(',\n  "max_retries": 0', ""), encoding="utf-8")
    assert set(load_file(folder / "reference.safetensors")) == {"phoneme_ids", "semantic_tokens", "spectrogram"}
    assert load_voice(folder).preset == PRESET


def test_the_voices_own_words_are_saved_with_it(checkpoints, tmp_path):
    (tmp_path / "words.yaml").write_text('format: 1\nen:\n  voxfoundry: "B IY1"\n', encoding="utf-8")
    folder, parts = tmp_path / "voice", (checkpoints / "gpt", checkpoints / "sovits", tiny_reference(), PRESET)
    save_voice(folder, *parts, tmp_path / "words.yaml")
    (sentence,) = load_voice(folder).sentences("voxfoundry", 0)
    assert [SYMBOLS[i] for i in sentence.phoneme_ids][:2] == ["B", "IY1"]
    assert len(load_voice(folder).say("voxfoundry").waveform) > 0
    (folder / "lexicon.yaml").write_text("format: 9", encoding="utf-8")
    with pytest.raises(ValueError, match=r"lexicon\.yaml"):
        load_voice(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "preset.json").unlink(), "preset.json"),
        (lambda f: (f / "preset.json").write_text("{}"), "language"),
        (lambda f: (f / "reference.safetensors").unlink(), "reference.safetensors"),
        (lambda f: (f / "reference.safetensors").write_bytes(b"pickle"), "not the reference of a voice"),
        (lambda f: save_file({"spectrogram": torch.ones(3, 3)}, f / "reference.safetensors"), "phoneme_ids"),
        (
            lambda f: save_file(tiny_reference().tensors() | {"more": torch.ones(1)}, f / "reference.safetensors"),
            "more",
        ),
    ],
)
def test_a_folder_that_is_not_a_voice_is_refused_with_the_file(checkpoints, tmp_path, damage, message):
    folder = tmp_path / "voice"
    save_voice(folder, checkpoints / "gpt", checkpoints / "sovits", tiny_reference(), PRESET)
    damage(folder)
    with pytest.raises(ValueError, match=message):
        load_voice(folder)

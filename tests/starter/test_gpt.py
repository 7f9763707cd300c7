"""The GPT stage: its pieces, its forward pass, and that it learns to read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt_sovits.determinism import deterministic
from gpt_sovits.gpt.generation import Prompt, prepare_prompts
from gpt_sovits.gpt.inference import begin_decoding
from gpt_sovits.gpt.loss import IGNORED_TARGET
from gpt_sovits.gpt.model import GPT, GPTConfig, Layer, prefix_mask
from gpt_sovits.text.symbols import SYMBOL_IDS
from starter.gpt import Trainer, guided_weight
from starter.gpt_batches import (
    STEPS_PER_ROUND,
    Batches,
    Piece,
    collate,
    crop,
    cut,
    join_prompt,
    phone_borders,
    piece_from_row,
    tail,
)
from starter.gpt_forward import attend, count_aligned, forward, guided_loss
from starter.gpt_speech import most_frequent_phones, phone_error, speak, spoken_phones, written_phones
from starter.phones import NUMBER_OF
from starter.settings import GPTSettings, load_settings
from starter.voices import PEOPLE

SHARES = {"kokoro": 0.6, PEOPLE: 0.4}
PHONEMES = [SYMBOL_IDS[name] for name in ["B", "D", "F", "G", "K", "L", "M", "N", "S", "T"]]
FULL_STOP = SYMBOL_IDS["."]
EOS = 2 * len(PHONEMES) + 2  # two tokens a phoneme and two of silence
NETWORK = {"vocab_size": EOS + 1, "hidden_size": 32, "n_heads": 2, "n_layers": 3, "bert_dim": 8, "dropout": 0.0}


def tiny_settings(**changes) -> GPTSettings:
    tiny = {
        "network": NETWORK,
        "batch_size": 700,
        "precision": "fp32",
        "n_threads": 1,
        "n_evaluated": 8,
        "n_spoken": 2,
        "guided_now": [0],
        "guided_next": [1, 2],
    }
    return GPTSettings.model_validate(load_settings().gpt.model_dump() | tiny | changes)


def oracle_row(random: np.random.Generator, n: int = 12) -> dict:
    """Return an utterance whose tokens tell the phoneme exactly, and whether it has just begun."""
    numbers = random.integers(len(PHONEMES), size=n)
    tokens, places = [EOS - 2, EOS - 2], [0, 0]
    for place, number in enumerate(numbers):
        length = int(random.integers(1, 4))
        tokens += [2 * number] + [2 * number + 1] * (length - 1)
        places += [place] * length
    tokens, places = [*tokens, EOS - 1, EOS - 1], [*places, n, n]
    return {
        "voice": "ann",
        "phoneme_ids": [PHONEMES[number] for number in numbers] + [FULL_STOP],
        "tokens": [int(token) for token in tokens],
        "places": places,
    }


def oracle_pieces(n: int, seed: int = 0) -> list[Piece]:
    random = np.random.default_rng(seed)
    return [piece_from_row(oracle_row(random, int(random.integers(4, 16)))) for _ in range(n)]


def tiny_gpt(seed: int = 0) -> GPT:
    with deterministic(seed, 1):
        return GPT(GPTConfig(**NETWORK)).eval()


def test_attention_equals_that_of_the_product():
    layer = Layer(32, 2, 0.0).eval()
    x = torch.randn(3, 11, 32)
    visible = prefix_mask((torch.arange(11) >= 4)[None], torch.arange(11) < torch.tensor([[11], [8], [6]]))
    mask = torch.zeros(visible.shape).masked_fill(~visible, -torch.inf)
    torch.testing.assert_close(attend(layer.self_attn, x, mask)[0], layer.self_attn(x, visible), atol=1e-6, rtol=1e-5)


def test_forward_and_its_gradients_equal_those_of_the_product():
    gpt, batch = tiny_gpt(), collate(oracle_pieces(5), EOS)
    wanted = gpt(batch.phoneme_ids, batch.phoneme_lengths, batch.inputs, batch.token_lengths)
    hidden, _ = forward(gpt, batch)
    is_real = torch.arange(hidden.shape[1]) <= batch.token_lengths[:, None]
    torch.testing.assert_close(hidden[is_real], wanted[is_real], atol=1e-5, rtol=1e-4)
    parameters = [
        p for name, p in gpt.named_parameters() if name not in ("bert_proj.weight", "ar_predict_layer.weight")
    ]
    weights = torch.randn(hidden[is_real].shape)
    for mine, other in zip(
        torch.autograd.grad((hidden[is_real] * weights).sum(), parameters),
        torch.autograd.grad((wanted[is_real] * weights).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-3)


def test_what_comes_before_a_piece_changes_only_its_positions():
    gpt, piece = tiny_gpt(), oracle_pieces(1)[0]
    here, _ = forward(gpt, collate([piece], EOS))
    moved, _ = forward(gpt, collate([replace(piece, before=(3, 9))], EOS))
    assert not torch.allclose(here, moved)
    with torch.no_grad():
        gpt.ar_text_position.alpha.zero_(), gpt.ar_audio_position.alpha.zero_()
    here, _ = forward(gpt, collate([piece], EOS))
    moved, _ = forward(gpt, collate([replace(piece, before=(3, 9))], EOS))
    torch.testing.assert_close(here, moved)


def test_crop_is_cut_at_phone_borders_and_keeps_its_phonemes():
    random = np.random.default_rng(1)
    for piece in oracle_pieces(40):
        part = crop(piece, 10, random)
        start = part.before[1]
        assert len(part.tokens) <= 10 or len(np.unique(part.places)) == 1
        assert {start, start + len(part.tokens)} <= set(phone_borders(piece))
        expected = piece.phonemes[piece.places[start : start + len(part.tokens)]]
        assert (part.phonemes[part.places] == expected).all()
        assert part.phonemes.tolist() == piece.phonemes[part.before[0] :][: len(part.phonemes)].tolist()
        assert part.places[0] == 0 or start == 0
        if not part.is_whole and start + len(part.tokens) < len(piece.tokens):
            assert part.places[-1] == len(part.phonemes) - 1


def test_silent_phonemes_stay_at_the_end_of_their_utterance():
    piece = Piece(np.array([*PHONEMES[:3], FULL_STOP]), np.arange(6), np.array([0, 0, 1, 1, 2, 2]))
    assert cut(piece, 2, 6).phonemes.tolist() == [*PHONEMES[1:3], FULL_STOP]
    assert cut(piece, 2, 4).phonemes.tolist() == [PHONEMES[1]]


def test_tail_is_the_longest_end_within_the_limit():
    piece = Piece(np.array(PHONEMES[:3]), np.arange(6), np.array([0, 0, 0, 1, 1, 2]))
    assert tail(piece, 4).tokens.tolist() == [3, 4, 5]
    assert tail(piece, 6).tokens.tolist() == piece.tokens.tolist()
    assert not tail(piece, 4).is_whole


def test_tail_keeps_a_last_phone_that_exceeds_the_limit():
    piece = Piece(np.array(PHONEMES[:2]), np.arange(6), np.array([0, 0, 1, 1, 1, 1]))
    assert tail(piece, 3).tokens.tolist() == [2, 3, 4, 5]


def test_end_of_speech_is_a_target_only_after_whole_utterances():
    piece = oracle_pieces(1)[0]
    n = len(piece.tokens)
    part = cut(piece, 0, int(phone_borders(piece)[-2]))
    end_part = cut(piece, int(phone_borders(piece)[2]), n)
    targets = collate([piece, part, end_part, join_prompt(part, piece), join_prompt(piece, part)], EOS).targets
    assert targets[0, n] == EOS
    assert targets[3, len(part.tokens) + n] == EOS
    assert (targets == EOS).sum().item() == 2
    assert targets[1, len(part.tokens)] == IGNORED_TARGET
    assert targets[1, : len(part.tokens)].tolist() == part.tokens.tolist()


def test_pair_has_the_layout_of_a_prompt_in_synthesis():
    """The hidden state after a prompt equals that of training where it predicts the target's first token."""
    gpt = tiny_gpt()
    prompt, target = oracle_pieces(2)
    pair = join_prompt(prompt, target, n_silence=2)
    prefix = np.concatenate((prompt.tokens, [prompt.tokens[-1]] * 2))
    assert pair.tokens.tolist() == [*prefix, *target.tokens]
    assert (pair.phonemes[pair.places][len(prefix) :] == target.phonemes[target.places]).all()
    spoken = Prompt(
        torch.from_numpy(np.concatenate((prompt.phonemes, target.phonemes))), torch.from_numpy(np.array(prefix))
    )
    prompts = prepare_prompts(gpt, [spoken], torch.device("cpu"))
    hidden, _ = forward(gpt, collate([pair], EOS))
    wanted = begin_decoding(gpt, prompts, 1).hidden[0]
    torch.testing.assert_close(hidden[0, len(prefix)], wanted, atol=1e-5, rtol=1e-4)


def test_text_without_final_punctuation_gets_a_full_stop():
    row = oracle_row(np.random.default_rng(0))
    row["phoneme_ids"] = row["phoneme_ids"][:-1]
    assert piece_from_row(row).phonemes[-1] == FULL_STOP


def test_batches_follow_from_their_step_and_have_similar_sizes():
    voices = {"jf_alpha": oracle_pieces(30), "jm_kumo": oracle_pieces(10, seed=1)}
    settings = tiny_settings(n_steps=4 * STEPS_PER_ROUND)
    one, other = Batches(voices, SHARES, settings), Batches(voices, SHARES, settings)
    other.batch(50)
    for step in (0, 1, 17, 50):
        mine, again = one.batch(step), other.batch(step)
        assert all(torch.equal(getattr(mine, name), getattr(again, name)) for name in vars(mine))
        real = int(mine.phoneme_lengths.sum() + mine.token_lengths.sum())
        assert 0.8 * settings.batch_size < real < 1.2 * settings.batch_size
        assert mine.phoneme_ids.numel() + mine.inputs.numel() < 1.5 * real


def test_people_with_one_clip_get_no_prompt_and_the_target_is_never_its_own_prompt():
    phases = [{"share": 1.0, "longest_seconds": 9.0, "pairs": 1.0}]
    settings = tiny_settings(phases=phases, moved_share=0.0)
    voices = {"jf_alpha": oracle_pieces(2), PEOPLE: oracle_pieces(3, seed=5)}
    batches = Batches(voices, SHARES, settings)
    random = np.random.default_rng(0)
    drawn = [batches._piece(batches.phase(0), random).phonemes.tolist() for _ in range(60)]
    one, other = (piece.phonemes.tolist() for piece in voices["jf_alpha"])
    alone = [text for text in drawn if text in [piece.phonemes.tolist() for piece in voices[PEOPLE]]]
    prompted = [text for text in drawn if text not in alone]
    assert alone and prompted
    assert {tuple(text) for text in prompted} == {(*one, *other), (*other, *one)}


def test_phases_follow_each_other_by_their_shares():
    phases = [{"share": s, "longest_seconds": n, "pairs": 0.0} for s, n in ((0.25, 1.0), (0.25, 2.0), (0.5, 9.0))]
    batches = Batches({"jf_alpha": oracle_pieces(3)}, SHARES, tiny_settings(n_steps=100, phases=phases))
    assert [batches.phase(step).longest_seconds for step in (0, 24, 25, 49, 50, 99)] == [1.0, 1.0, 2.0, 2.0, 9.0, 9.0]


def test_noise_changes_the_inputs_and_not_the_targets():
    settings = tiny_settings(noise=0.5, moved_share=0.0)
    batch = Batches({"jf_alpha": oracle_pieces(30)}, SHARES, settings).batch(10**6)
    is_real = torch.arange(batch.inputs.shape[1]) < batch.token_lengths[:, None]
    differs = (batch.inputs != batch.targets[:, :-1])[is_real].float().mean()
    assert 0.3 < differs < 0.6
    assert int(batch.inputs[is_real].max()) < EOS


def test_guided_loss_is_least_for_attention_to_the_true_phoneme():
    batch = collate(oracle_pieces(2), EOS)
    n = batch.phoneme_ids.shape[1]
    places = torch.nn.functional.pad(batch.places.clamp(min=0), (0, 1))
    right = torch.nn.functional.one_hot(places, n).float().mul(8).log_softmax(dim=-1)
    wrong = torch.nn.functional.one_hot((places + 3) % n, n).float().mul(8).log_softmax(dim=-1)
    assert guided_loss(right, batch, ahead=True) < guided_loss(wrong, batch, ahead=True)
    read = right.roll(1, dims=1)
    assert guided_loss(read, batch, ahead=False) == guided_loss(right, batch, ahead=True)
    near, total = count_aligned(right, batch)
    assert near == total == int(batch.token_lengths.sum())
    assert count_aligned(wrong, batch)[0] < 0.3 * total


def test_guided_weight_falls_and_stays():
    settings = tiny_settings(n_steps=100, guided_weight=(1.0, 0.1), guided_share=0.5)
    assert [guided_weight(settings, step) for step in (0, 25, 50, 99)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_phones_of_tokens_and_their_errors():
    pieces = oracle_pieces(60)
    phones = most_frequent_phones(pieces, EOS)
    assert phones[0] == phones[1] == NUMBER_OF["b"]
    assert phones[EOS - 1] == NUMBER_OF["sil"]
    assert spoken_phones([0, 1, 1, EOS - 1, 2], phones) == [NUMBER_OF["b"], NUMBER_OF["d"]]
    without_doubles = [p for p in pieces if (np.diff(p.phonemes) != 0).all()]
    assert phone_error([p.tokens for p in without_doubles], without_doubles, phones) == 0
    assert len(written_phones(pieces[0])) == len(pieces[0].phonemes) - 1


def make_trainer(settings: GPTSettings) -> Trainer:
    return Trainer({"jf_alpha": oracle_pieces(200)}, {"jf_alpha": oracle_pieces(8, seed=9)}, SHARES, settings)


def test_tiny_gpt_learns_to_read(tmp_path):
    settings = tiny_settings(
        n_steps=90,
        evaluate_every=45,
        speak_every=100,
        batch_size=600,
        learning_rate=5e-3,
        warmup_steps=10,
        average_decay=0.9,
        moved_share=0.0,
        phases=[
            {"share": 0.5, "longest_seconds": 0.4, "pairs": 0.0},
            {"share": 0.5, "longest_seconds": 9.0, "pairs": 0.3},
        ],
    )
    with deterministic(1, 1):
        trainer = make_trainer(settings)
        before = trainer.evaluate()
        trainer.run(tmp_path, {})
        after = trainer.evaluate()
    assert after["loss"] < 0.6 * before["loss"]
    assert after["loss_wrong_text"] > after["loss"] + 0.3
    assert after["alignment"] > 0.5
    rows = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert len(rows) == 2
    assert "phone_error_prompted" in rows[-1]
    assert "phone_error_prompted" not in rows[0]


def test_interrupted_training_ends_at_the_same_weights(tmp_path, monkeypatch):
    settings = tiny_settings(n_steps=6, evaluate_every=3, speak_every=100, batch_size=200)
    monkeypatch.setattr("starter.training.STATE_SECONDS", 0.0)

    def train(folder, stops_at=None):
        with deterministic(1, 1):
            trainer = make_trainer(settings)
            learn = trainer.learn

            def interrupted(batch, step):
                if step == stops_at:
                    raise KeyboardInterrupt
                return learn(batch, step)

            trainer.learn = interrupted
            return {name: value.clone() for name, value in trainer.run(folder, {}).state_dict().items()}

    once = train(tmp_path / "once")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "twice", stops_at=4)
    again = train(tmp_path / "twice")
    assert all(torch.equal(value, again[name]) for name, value in once.items())


def test_free_speech_without_an_end_is_cut():
    pieces = oracle_pieces(2)
    spoken = speak(tiny_gpt(), pieces, pieces[::-1])
    assert all(len(tokens) <= 3 * len(piece.tokens) for tokens, piece in zip(spoken, pieces, strict=True))

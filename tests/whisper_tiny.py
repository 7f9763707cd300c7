"""A random multilingual Whisper in the layout in which faster-whisper's checkpoints are published.

Its texts are garbage. Everything else is real: the vocabulary of 100 languages, the conversion to CTranslate2, language
detection, decoding and cross-attention.
"""

from __future__ import annotations

import json
from pathlib import Path

LANGUAGE_TOKENS_FROM = 50259
N_TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 0.02 s


def write_tiny_whisper(folder: Path, size: str = "tiny", seed: int = 0) -> Path:
    """Write a random multilingual checkpoint in faster-whisper's layout.

    Args:
        folder: gets the folder faster-whisper-SIZE, so that `load_transcriber("faster-whisper-SIZE", folder)` loads it.
        size: what the checkpoint is taken for. Its real size is the same for every name.
        seed: of the weights.

    Returns:
        The folder faster-whisper-SIZE.
    """
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor, WhisperForConditionalGeneration
    from whisper.tokenizer import LANGUAGES

    source = folder / "transformers"
    tokenizer = _tokenizer(tuple(LANGUAGES))
    marks = {mark: tokenizer.token_to_id(f"<|{mark}|>") for mark in ("endoftext", "startoftranscript")}
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(_config(tokenizer.get_vocab_size(), **marks))
    # sure of its garbage: otherwise the 1501 timestamps together are always likelier than any word
    model.model.decoder.embed_tokens.weight.data.normal_()
    model.model.decoder.embed_positions.weight.data.normal_()
    model.generation_config.alignment_heads = [[1, 0], [1, 1]]
    model.generation_config.suppress_tokens = []
    model.generation_config.begin_suppress_tokens = [220, marks["endoftext"]]
    model.save_pretrained(source)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(source)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(source)
    target = folder / f"faster-whisper-{size}"
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(str(target))
    config = json.loads((target / "config.json").read_text())
    config["lang_ids"] = [LANGUAGE_TOKENS_FROM + index for index in range(len(LANGUAGES))]
    (target / "config.json").write_text(json.dumps(config))
    return target


def _config(vocabulary_size: int, endoftext: int, startoftranscript: int) -> object:
    from transformers import WhisperConfig

    return WhisperConfig(
        vocab_size=vocabulary_size,
        num_mel_bins=80,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=endoftext,
        bos_token_id=endoftext,
        eos_token_id=endoftext,
        decoder_start_token_id=startoftranscript,
    )


def _tokenizer(languages: tuple[str, ...]) -> object:
    """Return OpenAI's multilingual vocabulary, which openai-whisper carries, as a tokenizer of tokenizers."""
    import whisper
    from tokenizers import AddedToken, decoders, pre_tokenizers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    ranks = Path(whisper.__file__).parent / "assets" / "multilingual.tiktoken"
    tokenizer = TikTokenConverter(vocab_file=str(ranks)).tokenizer()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["endoftext", "startoftranscript", *languages]
    marks += ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    timestamps = (f"{index * 0.02:.2f}" for index in range(N_TIMESTAMPS))
    tokenizer.add_special_tokens([AddedToken(f"<|{mark}|>", normalized=False) for mark in marks])
    tokenizer.add_tokens([AddedToken(f"<|{time}|>", normalized=False) for time in timestamps])
    assert tokenizer.token_to_id(f"<|{languages[0]}|>") == LANGUAGE_TOKENS_FROM
    return tokenizer

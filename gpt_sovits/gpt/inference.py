"""Which decoder a GPT speaks with: the plain one while it is trained, a packed one for inference."""

from __future__ import annotations

from gpt_sovits.gpt.decoding import Decoder, Decoding, PromptBatch
from gpt_sovits.gpt.model import GPT
from gpt_sovits.gpt.plain_decoder import PlainDecoding


def prepare_for_inference(model: GPT, precision: str = "float32") -> GPT:
    """Pack the weights for fast decoding on the device they are on, in place, and return the same model.

    The weights must not change afterwards. Training mode drops the packing.

    Args:
        model: The GPT. It is put into evaluation mode, and its parameters need no gradients afterwards.
        precision: What the packed weights are stored as, see `gpt_sovits.precision`.

    Raises:
        ValueError: For an unknown precision, or for weights that it cannot hold.
    """
    model.eval().requires_grad_(False)
    model.decoder = _pack(model, precision)
    return model


def begin_decoding(model: GPT, prompts: PromptBatch, n_steps: int) -> Decoding:
    """Read the prompts and return the state from which at most `n_steps` tokens follow."""
    if model.decoder is None:
        return PlainDecoding(model, prompts)
    return model.decoder.begin(prompts, n_steps)


def _pack(model: GPT, precision: str) -> Decoder:
    if model.bert_proj.weight.device.type == "cpu":
        from gpt_sovits.gpt.cpu_decoder import CPUDecoder  # numba takes a second to import: only where it is used

        return CPUDecoder(model, precision)
    from gpt_sovits.gpt.gpu_decoder import GPUDecoder

    return GPUDecoder(model, precision)

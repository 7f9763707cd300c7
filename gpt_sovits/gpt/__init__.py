"""The GPT: phonemes to semantic tokens (upstream: s1).

    model.py          the network and its config
    loss.py           the losses of its training
    sampling.py       how the next token is drawn
    generation.py     tokens of a batch of utterances, or of one as a stream
    inference.py      packs a GPT for inference and picks its decoder
    decoding.py       the interface of the decoders
    plain_decoder.py  decoding through the model's layers, the reference for the other two
    cpu_decoder.py    decoding on a CPU, with the compiled step of cpu_kernel.py
    gpu_decoder.py    decoding on a GPU, with one CUDA graph per step
    reading.py        which phonemes were read, seen from an attention head
    reranking.py      phone errors of a candidate, for best of n

Imports go one way: decoding, model, plain_decoder, cpu_decoder and gpu_decoder, inference, generation, reading.
"""

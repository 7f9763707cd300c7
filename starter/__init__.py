"""The recipe of the starter base: from synthetic voices and real speech to the weights in base_models/starter.

The product never imports this package. `make starter` runs it, and README.md in this folder describes it.

    __main__.py         runs the stages in order, two at a time where they are independent
    settings.py         params.yaml as frozen types, and the folders of the recipe

    corpus.py           stage: synthetic voices read sentences, with a label for every phone
    speech.py           stage: real speech, with the phones that pocketsphinx recognises
    content_encoder.py  stage: a small HuBERT learns to classify phones
    tokens.py           stage: the codebook, and every utterance as phonemes and semantic tokens
    autoencoder.py      stage: style encoder, posterior encoder and generator of SoVITS
    prior.py            stage: text encoder and flow of SoVITS
    joint.py            stage: all of SoVITS but the posterior encoder, with discriminators
    gpt.py              stage: the GPT learns to say texts in semantic tokens
    pack.py             stage: the networks as a base model, in half precision
    evaluate.py         stage: scores of the base
    ablations.py        scores without one ingredient

    phones.py           the 40 phones of the labels
    store.py            a corpus on disk
    aligner.py          when each phone of a text is said
    augment.py          other voices and rooms from the same speech
    scratch.py          seeded weights before any training
    training.py         the training loop of every stage
    sovits_data.py      model sizes, crops and the spectral loss of the SoVITS stages
    gpt_batches.py      pieces of utterances that the GPT reads
    gpt_forward.py      the GPT's forward pass for training on a CPU
    gpt_speech.py       free speech of the GPT, and its phone error
"""

"""The recipe of the starter base: from synthetic voices and real speech to the weights in base_models/starter.

The product never imports this package. `make starter` runs it, and README.md in this folder describes it.

    __main__.py         runs the stages in order, two at a time where they are independent
    settings.py         params.yaml as frozen types, and the folders of the recipe

    kokoro.py           stage: natural speakers, mixtures of Kokoro's styles, read sentences
    corpus.py           stage: flite's voices read sentences
    speech.py           stage: people, with texts by Whisper and phones by pocketsphinx
    content_encoder.py  stage: a head on a frozen Whisper learns to name phones, and labels all speech
    tokens.py           stage: the codebook, and every utterance as phonemes and semantic tokens
    autoencoder.py      stage: style encoder, posterior encoder and generator of SoVITS
    latents.py          stage: the autoencoder's latents and styles of every utterance
    prior.py            stage: text encoder and flow of SoVITS
    joint.py            stage: all of SoVITS but the posterior encoder, with discriminators
    gpt.py              stage: the GPT learns to say texts in semantic tokens
    pack.py             stage: the networks as a base model, in half precision
    evaluate.py         stage: scores of the base
    people.py           adapts the base to eight people whom it never heard, and scores them
    sample_voice.py     records the next sample voice
    ablations.py        scores without one ingredient

    voices.py           which speech is trained on, and which is kept for evaluation
    everyday.py         everyday sentences, made from a small grammar
    phones.py           the 40 phones of the labels
    store.py            a corpus on disk
    hidden_states.py    Whisper's states of all speech, kept on disk
    aligner.py          when each phone of a text is said
    augment.py          other voices and rooms from the same speech
    scratch.py          seeded weights before any training
    training.py         the training loop of every stage
    sovits_data.py      model sizes, crops and the spectral loss of the SoVITS stages
    clips.py            parts of utterances that prior and joint learn from
    gpt_batches.py      pieces of utterances that the GPT reads
    gpt_forward.py      the GPT's forward pass for training on a CPU
    gpt_speech.py       free speech of the GPT, and its phone error
    melody.py           whether speech has a voice and a melody
    scoring.py          the judges of evaluate and people
    people_table.py     the table of people.py
    listening.py        a page to listen to a person before and after adaptation
"""

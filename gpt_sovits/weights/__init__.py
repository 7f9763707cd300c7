"""Models on disk: checkpoints, base models, official files in and out.

    checkpoint.py     one network as a folder of safetensors, config and hashes
    base.py           the models that an adaptation starts from
    languages.py      the languages that a base model was trained on
    places.py         where base models lie
    interpolation.py  weights between a base and what was adapted from it
    parts.py          which network a file holds, by its tensors
    sizes.py          the sizes of a network, from its tensors
    upstream/         official and community files: read under restrictions, and written
    network/          base models from where they are published
    errors.py         the error of files that are refused

The only part of gpt_sovits that writes files, apart from the state of a training and the folder of a voice.
"""

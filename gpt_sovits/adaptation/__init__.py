"""Fine-tuning of both models on one speaker.

    gpt.py            fine-tuning of the GPT
    gpt_batch.py      its clips and padded batches
    gpt_recipe.py     its settings, and the recipes "voxfoundry" and "upstream"
    sovits.py         fine-tuning of the SoVITS, with a discriminator
    sovits_batch.py   its clips and padded batches
    sovits_recipe.py  its settings and recipes
    options.py        the settings that both share
    loop.py           the epochs: learning curve, early stopping, resuming
    state.py          the state of a training on disk
    batches.py        which clips make a batch, and which batches a step
    filters.py        clips that are too long, too short or too dense
    groups.py         which parameters are trained, and at which share of the learning rate
    data_parallel.py  one training shared by the processes of torchrun
    precision.py      steps in float32, bfloat16 or float16
    scaled_adam.py    the optimiser of the upstream recipe

A run that is interrupted anywhere resumes to the same bits.
"""

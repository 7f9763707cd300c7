"""Generators: latent frames at 50 Hz to a waveform.

build.py         the generator that a config names
hifigan.py       HiFi-GAN, the generator of the official models
fast_hifigan.py  the same network for inference on a CPU
istft.py         a generator that ends in an inverse STFT, for small models
harmonics.py     its voice: a sum of harmonics at a pitch that is predicted from the latent
"""

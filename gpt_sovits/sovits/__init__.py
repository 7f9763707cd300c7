"""SoVITS: semantic tokens, phonemes and a reference to a waveform (upstream: s2).

model.py              the whole network
config.py             its sizes, and those of the official versions
checks.py             the checks of what is to be decoded
streaming.py          speech piece by piece
spectrogram.py        linear and log-mel spectrograms
pitch.py              the pitch of each frame of speech
noise.py              the noise of the latent
quantizer.py          content features to semantic tokens and back
text_encoder.py       the prior: tokens, phonemes and style to the latent
reference_encoder.py  the style of a speaker
flow.py               the posterior encoder and the normalising flow
generators/           latent frames to a waveform
layers/               the layers that these modules share
discriminator.py      the critics of the adversarial training
losses.py             the training losses
"""

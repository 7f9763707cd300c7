"""What is heard in a recording, measured in blocks, so that memory does not grow with its length.

meter.py          all figures and the fingerprint in one pass
spectra.py        power spectra of blocks, on which the figures are measured
histograms.py     percentiles of levels
loudness.py       integrated loudness
snr.py            speech above the noise in its pauses
bandwidth.py      the frequency up to which there is sound
reverberation.py  how long the room rings
music.py          steady tones behind speech
clipping.py       the longest run of clipped samples
fingerprint.py    what a recording is recognised by in another format
twins.py          finds fingerprints of the same sound (pure)
"""

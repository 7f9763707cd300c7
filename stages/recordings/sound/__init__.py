"""What is heard in a recording, measured in blocks, so that memory does not grow with its length.

spectra.py      power spectra of blocks
fingerprint.py  a fingerprint of what is heard
twins.py        finds fingerprints of the same sound (pure)
"""

"""Layers that the SoVITS modules share.

attention.py    multi-head attention with relative positions
masks.py        masks and crops of padded batches
wavenet.py      the WaveNet inside the posterior encoder and the flow
weight_norm.py  convolutions with weight normalisation under the official names
"""

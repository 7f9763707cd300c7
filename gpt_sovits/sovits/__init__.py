"""Semantic tokens to a waveform: the SoVITS networks and their losses (upstream: s2)."""

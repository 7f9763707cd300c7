"""Speaker profiles: what is known of a voice, read from the registry and the journal. Nothing is written.

profile.py     the champion's references and presets, their figures and verdicts, and the history of releases
comparison.py  two versions of a voice, preset by preset
"""

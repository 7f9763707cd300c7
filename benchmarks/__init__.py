"""The gate's fixed prompts, expected phonemes, and measurements of the models and of the gate.

prompts/            fixed prompts of every language, which the gate compares voices on
text/               expected phonemes of every language

speed.py            speed of the models, beside the limits of the machine
speed_report.py     tables of speed.py
limits.py           memory bandwidth and arithmetic rate of the machine
failures.py         hits and false alarms of the detectors of failures
nonspeech.py        sounds without words, and the words that an ASR judge invents for them
gate_damage.py      verdicts on recordings that were damaged on purpose
gate_oc.py          operating characteristic of the gate, by simulation
gate_oc_voices.py   simulated pairs of voices
gate_oc_fit.py      levels of the simulation from a real scorecard
gate_oc_report.py   tables and curves of gate_oc.py
"""

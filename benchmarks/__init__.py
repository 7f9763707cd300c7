"""The gate's fixed prompts, expected phonemes, and measurements of the models and of the gate.

prompts/            fixed prompts of every language, which the gate compares voices on
text/               expected phonemes of every language

speed.py            speed of the models, beside the limits of the machine
speed_report.py     tables of speed.py
data_scale.py       how the time of the data stages grows up to 10,000 clips
limits.py           memory bandwidth and arithmetic rate of the machine
failures.py         hits and false alarms of the detectors of failures
failure_damages.py  the damage that failures.py does to recordings
failure_speeches.py the recordings of failures.py
failure_hearing.py  what a judge heard in them, kept on the disk
failure_tables.py   tables of failures.py
data_truth.py       texts and word times of long recordings whose every word is known
true_recordings.py  the recordings of data_truth.py
true_texts.py       their transcripts with planted faults
truth_results.py    what align made of them, and tables
degraded.py         clips with right texts that are kept under music and in a room
nonspeech.py        sounds without words, and the words that an ASR judge invents for them
two_judges.py       what two ASR judges hear in the utterances of a scorecard
same_speaker.py     the cosine at which the gate tells two speakers apart
gate_damage.py      verdicts on recordings that were damaged on purpose
gate_oc.py          operating characteristic of the gate, by simulation
gate_oc_voices.py   simulated pairs of voices
gate_oc_fit.py      levels of the simulation from a real scorecard
gate_oc_report.py   tables and curves of gate_oc.py
release_abuse/      races, kills, forged inputs and disasters against the release commands
"""

"""Whether the names of a campaign are said so that they are understood, before thousands of people hear them.

prompts.py   the sentences in which names are said, and common names to compare with
sampling.py  which names are said: at most 50, those first that no dictionary knows
hearing.py   what a judge heard in the place of a name, as words and as phonemes
findings.py  which names are misread, and how likely the judge's own mistakes explain it
listening.py a voice says the names and a judge hears them
"""

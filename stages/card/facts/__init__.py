"""What is known of the recordings and clips of a voice.

inputs.py         the tables that it is made of, as far as they exist
minutes.py        where every second went: kept, refused with its reason, or a pause
clips.py          every clip with what is known of it, and which are the best and the worst
speakers.py       who speaks, and duplicates
heard.py          what the recogniser heard beside a text
distributions.py  histograms, weighted with the length of the sound
figures.py        which figures are shown as histograms
"""

"""The data card of a voice: what was recorded, what of it can be used, and what is worth recording next.

    card.py            the card as values, and as JSON
    inputs.py          the tables that it is made of, as far as they exist
    minutes.py         where every second went: kept, refused with its reason, or a pause
    clips.py           every clip with what is known of it, and which are the best and the worst
    distributions.py   histograms, weighted with the length of the sound
    figures.py         which figures are shown as histograms
    coverage.py        sounds of the language in the training clips
    inventory.py       the sounds of each language
    sentences.py       kinds of sentences
    heard.py           what the recogniser heard beside a text
    speakers.py        who speaks, and duplicates
    recording_plan.py  what to record
    advice.py          what to do, each with its rule
    curves.py          what more minutes brought measured voices
    charts.py          the geometry of those curves
    wording.py         sentences that page, Markdown and terminal share
    page.py            the page
    markdown.py        the same in Markdown
card.html, card.css, card.js  the page itself
"""

"""The report of a voice: one HTML page that says what was decided and why, and plays everything that was scored.

    page.py            what the page shows, from scorecards, a verdict and the folders with the audio
    verdict_report.py  the page about a stored verdict, with the audio that the registry kept
    figures.py         pooled figures, failures and categories: candidate beside champion and recordings
    comparison.py      candidate against champion prompt by prompt, and the words of an utterance with their errors
    distributions.py   histograms of the utterances
    second_opinions.py figures of judges that gate nothing
    heat_maps.py       the checkpoint pairs
    media.py           Opus and spectrograms inside the page
page.html, languages.html, second_opinions.html, page.css, page.js  the page itself
"""

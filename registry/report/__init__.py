"""The report of a voice: one HTML page that says what was decided and why, and plays everything that was judged.

page.py           what the page shows, from scorecards, a verdict and the folders with the audio
figures.py        pooled figures, failures and kinds of sentence, candidate beside champion and recordings
comparison.py     candidate against champion, prompt by prompt; words of an utterance with their errors
distributions.py  histograms                  heat_maps.py   the checkpoint pairs
media.py          Opus and spectrograms       page.html, page.css, page.js   the page itself
"""

from registry.report.page import Scored, render_report, unmeasured_report

__all__ = ["Scored", "render_report", "unmeasured_report"]

"""How the card is shown.

page.py      the page
markdown.py  the same in Markdown
wording.py   sentences that page, Markdown and terminal share
charts.py    the geometry of the curves
card.html, card.css, card.js  the page itself
"""

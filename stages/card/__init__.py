"""The data card of a voice: what was recorded, what of it can be used, and what is worth recording next.

card.py    the card as values, and as JSON
facts/     what is known of the recordings and clips
language/  the sounds and the kinds of sentences in the training clips
advice/    what to do, and what more minutes would bring
pages/     the page, and the same in Markdown
"""

"""The check of a campaign: every row is rendered and read by the text front end before a word is spoken.

speaker.py   the released version that would speak, or why it may not
sentences.py what the text front end makes of a sentence, remembered
rows.py      from recipients to rendered rows and rejects
report.py    what a check found
files.py     the report as JSON, and the rejects as CSV
"""

"""Why the gate decided as it did, and what to do next.

codes.py       the stable codes of reasons and causes, with one line about each
codes_page.py  docs/reason-codes.md, made from them
causes.py      what lies behind a bad figure
builder.py     the reasons as objects, the most important one first
text.py        the text of each reason
advice.py      what to do next
"""

"""The page of `vox review`, on this machine: a person hears clips, sees their words in time, and corrects them.

session.py      what the page asks for and decides, over the files of one voice
clip_items.py   the clips as the page shows them, with the decisions of corrections.jsonl applied (pure)
text_parts.py   divides a text where its clip is split (pure)
sounds.py       the sound of a clip as a WAV file
server.py       the routes, on FastAPI
guard.py        who gets an answer: this machine, with the token of the address, from the page itself
page.html, page.css, page.js, text.js, timeline.js   the page, sent as one document
"""

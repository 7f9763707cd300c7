"""Which sounds of the language and which kinds of sentences the training clips have.

coverage.py   sounds of the language in the training clips
inventory.py  the sounds of each language
sentences.py  kinds of sentences
"""

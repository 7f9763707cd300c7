"""Text front end: turn text into ids of the symbol table. README.md explains the languages and their libraries.

frontend.py      `phonemize`: the entry point, and the dataclasses that it returns
cleaning.py      text as people paste it to one plain line
languages.py     the codes of the languages, and their aliases
scripts.py       which language each part of a mixed text is in
alphabets.py     ranges of characters by script
addresses.py     e-mail and web addresses
sentences.py     split a text into sentences (the way this project does)
cutting.py       split a text into pieces (the way upstream does)
roman.py         Roman numerals
encodings.py     from the bytes of text files to text
lexicon.py       pronunciations of the user's own words, from a YAML file
expectations.py  the regression files of benchmarks/text, as a command
yaml_lines.py    read YAML with errors that name the line
symbols.py       the symbol table
english/         English: normalization, dictionary, letter-to-sound rules
chinese/         Mandarin and Cantonese
japanese/        Japanese
korean/          Korean
"""

"""From a template and a recipient to the text that is spoken.

grammar.py     what a template may hold, by a list of syntax nodes
rendering.py   templates in each language, with bounds on their length
spoken.py      filters: numbers, money, days, times and codes as they are said
values.py      how the text of a cell is read as a number, a day or a time
"""

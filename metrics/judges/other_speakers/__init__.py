"""Other speakers: how similar people sound who are not the voice. This is the floor under every similarity.

table.py  loads the embeddings of other speakers under a speaker judge
make.py   makes such a table
tables/   JUDGE.json: one embedding per speaker
"""

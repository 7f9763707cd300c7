"""The small ECAPA speaker judge: its network, its recipe and its measured limits (see MODEL_CARD.md).

model.py     the network and its features
config.py    config.json as types
data.py      training clips
voices.py    makes more voices of them, and asks the teacher about each
augment.py   simulates other recording sessions
losses.py    what it is trained to do
train.py     trains it
files.py     writes files in one piece
damage.py    damages speech in known ways
trials.py    pairs of embeddings and the equal error rate
evaluate.py  measures it on speakers that it never heard
"""

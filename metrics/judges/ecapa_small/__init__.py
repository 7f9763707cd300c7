"""The small ECAPA speaker judge: its network, its recipe and its measured limits (see MODEL_CARD.md).

model.py     the network and its features
config.py    config.json as types
data.py      training clips
augment.py   simulates other recording sessions
train.py     trains it
trials.py    pairs of embeddings and the equal error rate
evaluate.py  measures it on speakers that it never heard
"""

"""The small ECAPA speaker judge: its network, its recipe and its measured limits (see MODEL_CARD.md)."""

"""Fine-tuning of both models on one speaker, resumable to the bit."""

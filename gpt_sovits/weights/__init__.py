"""Models on disk: checkpoints, base models, official files in and out."""

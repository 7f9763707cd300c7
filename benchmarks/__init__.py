"""The gate's fixed prompts, expected phonemes, and what is measured of the models' speed."""

"""Text to semantic tokens: the GPT (upstream: s1)."""

"""The page at /: voices, a text box, a player that streams, and what came of each sentence."""

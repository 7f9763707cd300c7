"""How the starter base was made: from programs that speak, and from real speech without its words, to weights.

Nothing of the product imports this package; `make starter` runs it (see README.md here).
"""

"""Text front end: text in, ids of the symbol table out."""

"""One module per change of the tables. A change that was released is never edited: the next one is added."""

"""Candidate, gate, release journal, promotion, rollback, consent: the only code that moves an alias."""

"""Recipients and a template to delivered audio, over released voices."""

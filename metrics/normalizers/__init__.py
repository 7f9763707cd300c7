"""The rules of metrics/normalize.py, one module a language. They know nothing of the voice's own text front end."""

"""Campaigns over HTTP: /v1/campaigns.

bodies.py    what clients send and get
checking.py  every row of a request, before a word is spoken
routes.py    the routes
"""

"""The data card of a voice: what was recorded, what of it can be used, and what is worth recording next.

curves.py  the measured curves of what more minutes bring
"""

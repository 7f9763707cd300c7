"""What the card advises.

advice.py          what to do, each with its rule
recording_plan.py  what to record
curves.py          what more minutes brought measured voices
"""

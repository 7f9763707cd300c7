"""From samples to files that others get.

loudness.py  one loudness for every file, below full scale
results.py   the table of what was delivered, as CSV and Parquet
folder.py    everything of a campaign in a folder: files by recipient, table and report
"""

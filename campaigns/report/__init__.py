"""What became of a campaign, as JSON, as a table and as one page.

summary.py  figures, failures by reason, the worst examples
assets.py   rows as others see them, page by page
page.py     the page, with players, in one file that opens offline
"""

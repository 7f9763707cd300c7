"""The recipients of a campaign, one row each, from CSV, JSON Lines or Parquet.

    reading.py       which reader a file gets, and ids that were there before
    csv_rows.py      the rows of a CSV file
    json_rows.py     the rows of JSON Lines, and of the API
    parquet_rows.py  the rows of a Parquet file
    cells.py         from cells to a recipient: ids, languages, variables
    ids.py           which ids there are, and which look alike
    spreadsheets.py  cells that a spreadsheet does not take for formulas

Invariant: every row of a file becomes one Recipient or one Reject, in the order of the file. Memory grows by a hash per
id and by nothing else.
"""

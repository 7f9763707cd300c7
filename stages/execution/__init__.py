"""How the programs of the stages run.

program.py    runs the main function of a stage and turns an expected error into one line
processes.py  ends a process when its parent or its run ends
locks.py      lets one process at a time work on something
outputs.py    writes a folder or a file completely or not at all
parallel.py   spreads a function over several processes
progress.py   prints how far a stage is
"""

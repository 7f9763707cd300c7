"""How the programs of the stages run.

program.py       runs the main function of a stage and turns an expected error into one line
processes.py     ends a process when its parent or its run ends
locks.py         lets one process at a time work on something
inputs.py        tells whether what a stage reads changed while it ran
outputs.py       writes a folder or a file completely or not at all
parallel.py      spreads a function over processes of this machine or of a cluster, through joblib
tasks.py         what a worker does with one item
one_version.py   keeps all workers to one version of a judge
clusters.py      connects to Dask and Ray
cache.py         keeps results of single recordings and clips
cached_calls.py  computes only what the cache lacks
code_identity.py hashes the code that a result comes from
arrays.py        arrays in rows
progress.py      prints how far a stage is
"""

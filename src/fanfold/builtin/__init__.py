"""Built-in partitioners and assemblers: plain programs under the same contract as a user's.

Each module is one block: `MANIFEST`, `SCHEMA` of its params and `main()`; splitters also have `plan()`. A program
starts once per job, and its start is part of what a person waits for, so these modules import only what they need:
neither `typing` nor `dataclasses` at run time.
"""

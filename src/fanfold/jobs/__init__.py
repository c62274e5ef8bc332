"""What a job is and may become. Pure: no disk, clock, network or database below this folder.

Read `lifecycle` first: it holds the whole life of a job on one page.
"""

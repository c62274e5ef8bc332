"""What a delivery writes beside the output: its listing, and names that nothing else has until it is whole.

Several jobs may deliver to one place at the same time. The marks of their names keep them apart, so that none finishes
or removes what is another's.
"""

from __future__ import annotations

import hashlib
import re

MANIFEST = ".fanfold-output.json"
_PENDING = re.compile(r"\.fanfold-output\.([0-9a-f]{12})\.pending\.json")


def mark_of(job_id: str) -> str:
    """What stands in the names of files that are not whole yet: 12 letters of a file name, others for each job."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:12]


def pending_of(job_id: str) -> str:
    """What the listing of a job's output is called until all that it lists is there."""
    return f".fanfold-output.{mark_of(job_id)}.pending.json"


def is_listing(name: str) -> bool:
    """Whether a name is one of a listing: no output may have it, no input is read from there."""
    return name == MANIFEST or _PENDING.fullmatch(name) is not None


def mark_in(name: str) -> str:
    """The mark in the name of a listing that is not finished; "" in any other name."""
    found = _PENDING.fullmatch(name)
    return found.group(1) if found else ""

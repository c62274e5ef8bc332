"""How long tests wait. They wait for events, so what stands here is only told by a failure: four times as much where CI
is set, since others use that machine, too. What a promise says in seconds is asserted as it stands where the machine is
the test's alone (`make faults`), and ten times as long elsewhere: there it tells what came by itself from what did not.
"""

import os

IS_SHARED = bool(os.environ.get("CI"))
IS_ALONE = os.environ.get("FANFOLD_WHOLE_MACHINE") == "1"


def patience(seconds: float) -> float:
    """Seconds until something that should have happened is missed."""
    return 4 * seconds if IS_SHARED else seconds


def promised(seconds: float) -> float:
    """Seconds within which something is promised on a machine that does nothing else."""
    return seconds if IS_ALONE else 10 * seconds

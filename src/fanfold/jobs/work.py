"""The work that each state of a job asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from fanfold.jobs.models import JobState


class Work(StrEnum):
    """The work a state asks for; each is one file of the pipeline and returns one event."""

    NOTHING = "nothing"
    PREPARE = "prepare"
    FETCH = "fetch"
    PARTITION = "partition"
    FEED = "feed"
    SETTLE = "settle"
    ASSEMBLE = "assemble"
    BEGIN_DELIVERY = "begin delivery"
    DELIVER = "deliver"


WORK: Mapping[JobState, Work] = {
    JobState.NEW: Work.NOTHING,  # a person's draft
    JobState.STARTED: Work.PREPARE,  # wait for start_at, the partition queue and an engine that fits
    JobState.UPLOADING: Work.FETCH,  # list and stage the input
    JobState.PARTITIONING: Work.PARTITION,  # plan chunks, or publish those the partitioner wrote
    JobState.PARTITIONED: Work.FEED,  # tasks run; judge them when they have ended
    JobState.TASKS_COMPLETED: Work.SETTLE,  # give every result file its name for the assembler
    JobState.MERGING: Work.ASSEMBLE,  # take the assembler's output
    JobState.MERGED: Work.BEGIN_DELIVERY,  # nothing but the next state
    JobState.DOWNLOADING: Work.DELIVER,  # write the output to its destination
    JobState.COMPLETE: Work.NOTHING,
    JobState.FAILED: Work.NOTHING,
}

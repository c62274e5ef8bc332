"""How a job moves: the scheduler, one file a stage, and what they share."""

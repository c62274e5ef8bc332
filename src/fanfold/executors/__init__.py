"""Where runs are started; one file an executor."""

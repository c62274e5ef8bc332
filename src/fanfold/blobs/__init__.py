"""Where job data is at rest: this machine's disk, or a bucket of an S3-compatible store."""

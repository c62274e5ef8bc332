"""The client for threads: made from `fanfold.client.aio` by `tools/make_sync_client.py`, but for `seams.py`."""

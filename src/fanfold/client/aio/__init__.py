"""The client for asyncio, written by hand. Its twin for threads, `fanfold.client.sync`, is made from it by
`tools/make_sync_client.py`; only `seams.py` is written for each."""

"""The REST door: requests in, services asked, public shapes out."""

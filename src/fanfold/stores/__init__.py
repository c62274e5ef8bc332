"""Databases. `sql` holds everything in portable SQLAlchemy Core; one file a database holds only its differences."""

"""What the core asks of the outside, as Protocols; adapters satisfy them without inheriting."""

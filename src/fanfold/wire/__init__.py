"""The public JSON shapes; camelCase lives here."""

"""Which samples: selections written as text, and marks that somebody made."""

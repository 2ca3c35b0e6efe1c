"""The foreground colour where alpha is soft."""

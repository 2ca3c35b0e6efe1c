"""Pictures, files and text, in and out."""

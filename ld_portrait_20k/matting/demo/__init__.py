"""A local page that cuts people out of pictures and clips; see README.md."""

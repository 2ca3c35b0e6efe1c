"""Matting data: ours and other people's folders, read as the same samples."""

"""New datasets from old ones: samples left out, datasets put together, splits dealt anew.

No picture is decoded: its bytes are copied, and so is the metadata.
"""

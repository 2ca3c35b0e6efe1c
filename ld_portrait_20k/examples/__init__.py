"""Runnable examples, one a file: ``python -m ld_portrait_20k.examples.NAME DATASET``.

``plain_pytorch``, ``lightning_style``, ``accelerate_processes``, ``webdataset_shards``,
``datasets_streaming`` and ``transformers_trainer`` each feed a training loop; ``tour.ipynb`` is
a notebook. DATASET is a folder, or OWNER/NAME on the Hub. The tests run all of them.
"""

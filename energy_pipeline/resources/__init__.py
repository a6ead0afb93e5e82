"""What the pipeline touches outside itself: the lake and the raw folders. Start with `lake.py`."""

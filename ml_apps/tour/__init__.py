"""The main job of otopt, end to end, on real inputs: ``python -m ml_apps.tour``."""

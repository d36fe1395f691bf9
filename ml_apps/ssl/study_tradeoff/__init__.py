"""``python -m ml_apps.ssl.study_tradeoff``: what pre-training on more kinds of data costs."""

"""Fair estimators beside their peers on real data: ``python -m ml_apps.fairness.compare``."""

"""Settings every test shares: one thread a library, and hypothesis profiles."""

import os

# Before anything imports numpy or numba. Two numba threads are allowed (the kernels use one unless
# asked) so that `workers=2` is really tested, on any machine.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import HealthCheck, settings  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)  # a pytest plugin may have loaded numpy before this file

# The first examples of a session compile the kernels: no deadline, no complaint about slow data.
_common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, max_examples=50, **_common)
settings.register_profile("dev", max_examples=50, **_common)
settings.register_profile("thorough", max_examples=1000, **_common)
# The same examples for everybody unless asked otherwise: a newcomer's first run must not be lucky.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

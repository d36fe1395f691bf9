"""What results of different kinds have in common."""

import numpy as np
import pytest

import otopt

HALF, S = np.full(2, 0.5), np.array([[1.0, 0.0], [0.0, 1.0]])
KINDS = {
    "OTResult": lambda: otopt.emd(HALF, HALF, S),
    "AssignmentResult": lambda: otopt.assignment(S),
    "RelaxedPlan": lambda: otopt.sparse_ot(HALF, HALF, S, 1).relaxed,
    "PriceResult": lambda: otopt.solve_prices(S),
    "BMatching": lambda: otopt.bmatch(S),
    "EntropicResult": lambda: otopt.sinkhorn(HALF, HALF, S, reg=1.0),
    "EntropicBatch": lambda: otopt.sinkhorn_batch(HALF[None], HALF[None], S[None], reg=1.0),
    "MMOTResult": lambda: otopt.mmot_1d([HALF, HALF]),
    "Routing": lambda: otopt.assign(S),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_equals_itself_alone(kind):
    one, other = KINDS[kind](), KINDS[kind]()
    assert type(one).__name__ == kind
    assert one == one
    assert one != other
    assert len({one, other}) == 2

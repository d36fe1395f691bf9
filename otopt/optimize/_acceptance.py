"""How probable acceptance is, from how often it happened."""

from otopt._core.validation import as_real

__all__ = ["acceptance", "as_confidence"]


def as_confidence(function, confidence):
    """A float in (0, 1)."""
    number = as_real(function, "confidence", confidence, low=0.0, strict=True)
    if number >= 1:
        message = f"{function}: `confidence` must be below 1; got {number}."
        raise ValueError(message)
    return number


def acceptance(accepted, checked, *, ends_with_accepted, confidence):
    """An unbiased estimate and an exact confidence interval of the acceptance probability.

    Where the number checked was fixed, accepted / checked and the interval of C. J. Clopper, E. S.
    Pearson, Biometrika 26, 1934, doi 10.1093/biomet/26.4.404. Where the search ended with the last
    one it was asked for, that ratio is too large: (accepted - 1) / (checked - 1) is unbiased (J. B.
    S. Haldane, Biometrika 33, 1945, doi 10.1093/biomet/33.3.222), and the interval is the one of
    the negative binomial law.
    """
    from scipy.stats import beta

    if checked == 0:
        return float("nan"), (0.0, 1.0)
    half = (1 - confidence) / 2
    low = beta.ppf(half, accepted, checked - accepted + 1) if accepted else 0.0
    successes = accepted if ends_with_accepted else accepted + 1
    high = beta.ppf(1 - half, successes, checked - accepted) if checked > accepted else 1.0
    if not ends_with_accepted:
        rate = accepted / checked
    else:  # of one success, the number checked alone says little: its indicator is unbiased
        rate = (accepted - 1) / (checked - 1) if checked > 1 else 1.0
    return float(rate), (float(low), float(high))

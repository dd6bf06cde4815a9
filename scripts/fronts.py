"""What fronts.json says of a search, for the scripts that measure."""

import statistics


def best_closed_form(site):
    """The closed form of highest R^2 on the pictures held out."""
    return max(site["baselines"], key=lambda b: b["held_out_r2"])


def most_accurate(site):
    """The function that the strategy min-error chooses: the least error on the pictures to choose by."""
    return min(site["front"], key=lambda p: p["choose_error"])


def gap_closed(site):
    """Share of the gap between the best closed form and the ceiling that the most accurate function closes, on
    pictures held out; 1 where that function is at the estimated ceiling or above."""
    best, evolved, ceiling = best_closed_form(site)["held_out_r2"], most_accurate(site)["held_out_r2"], site["held_out_ceiling"]
    if evolved >= ceiling:
        return 1.0
    return (evolved - best) / max(ceiling - best, 1e-6)


def cheaper_and_better(site):
    """Whether some evolved function beats the best closed form at no higher cost."""
    best = best_closed_form(site)
    return any(p["cost"] <= best["cost"] and p["held_out_r2"] > best["held_out_r2"] for p in site["front"])


def summary(fronts):
    gaps = [gap_closed(site) for site in fronts["sites"]]
    return {
        "median_gap": statistics.median(gaps),
        "worst_gap": min(gaps),
        "below_closed_form": sum(gap < 0 for gap in gaps),
        "cheaper_and_better": sum(cheaper_and_better(site) for site in fronts["sites"]),
        "evaluations": sum(site["evaluations"] for site in fronts["sites"]),
        "sites": len(gaps),
    }

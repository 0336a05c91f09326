"""Figures: what was measured, what it had to be, and how values spread."""

import math


def percentile(values, share):
    """By the nearest rank: of 300 values the 99th percentile is the 297th."""
    values = sorted(values)
    return values[max(math.ceil(share * len(values)), 1) - 1]


def measure(name, value, unit, bound, at_most=True, baseline=None):
    """An entry like those of `make bench`. Where there is a baseline, `bound` is of the ratio."""
    ratio = None if baseline is None else value / baseline
    held = value if ratio is None else ratio
    return {"measure": name, "value": round(value, 3), "unit": unit,
            "baseline": None if baseline is None else round(baseline, 3),
            "ratio": None if ratio is None else round(ratio, 3),
            "bound": f"{'<=' if at_most else '>='} {bound}",
            "holds": held <= bound if at_most else held >= bound}


def spread(values, digits=1):
    """p50, p90, p99 and the largest, as cells of a table."""
    return [len(values), *(f"{percentile(values, share):,.{digits}f}"
                           for share in (0.5, 0.9, 0.99, 1))]


SPREAD = ["", "n", "p50", "p90", "p99", "max"]


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def histogram(values, width, digits=1, longest=60):
    """Bars of equal width, from the first value's to the last's."""
    counts = {}
    for value in values:
        counts[int(value // width)] = counts.get(int(value // width), 0) + 1
    scale = min(1.0, longest / max(counts.values()))
    yield "```"
    for slot in range(min(counts), max(counts) + 1):
        count = counts.get(slot, 0)
        yield (f"{slot * width:>8.{digits}f} {count:>5}  "
               + "#" * math.ceil(count * scale)).rstrip()
    yield "```"

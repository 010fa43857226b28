"""Axes of rates and of rate changes: plain numbers where matplotlib would write powers of ten."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

_LINEAR_PCT = 200
_TICKS_PCT = (-95, -90, -80, -65, -50, -30, 0, 50, 100, 200, 400, 900, 1900, 4900, 9900, 99900)


def log_axis(axes: Axes) -> None:
    """Set the level axis by ratio, with a few plain numbers on it however short it is."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    few = (1,) if high / low > 1000 else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=few if high / low > 8 else (1, 1.5, 2, 3, 4, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def percent_axis(axes: Axes) -> None:
    """Set the upright axis for BD-rates: by the ratio of the bits once there is more than three times as many.

    A beginner's +1000 % would else leave no room to tell -20 % from +20 %.
    """
    if axes.get_ylim()[1] > _LINEAR_PCT:
        axes.set_yscale("function", functions=(lambda pct: np.log1p(pct / 100), lambda ln: 100 * np.expm1(ln)))
        axes.yaxis.set_major_locator(FixedLocator(_TICKS_PCT))
        axes.margins(y=0.08)
        axes.autoscale_view()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+,.0f} %" if value else "0 %"))

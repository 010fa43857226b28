"""What people see: nouns that print well, `plot_*` for charts, `show_*` for tables, code and pictures."""

from labkit.view.answer import show_answer, show_checked
from labkit.view.audit import show_audit
from labkit.view.bits import plot_bits
from labkit.view.changes import show_champion, show_change, show_changes, show_failures
from labkit.view.code import show_code, show_diff
from labkit.view.costs import plot_cost, show_failure_classes
from labkit.view.curves import plot_curves, show_comparison
from labkit.view.diary import show_diary
from labkit.view.exchanges import show_exchanges
from labkit.view.explore import explore_lineage, explore_rd
from labkit.view.frames import show_frames
from labkit.view.live import monitor, run_campaign
from labkit.view.monitor_page import show_monitor
from labkit.view.node import show_difference, show_entry
from labkit.view.opening import open_run, start_tour
from labkit.view.overview import show_isolation
from labkit.view.plots import draw_rd, plot_progress, plot_rd
from labkit.view.reproduce import command
from labkit.view.runs import plot_runs, show_runs
from labkit.view.speed import plot_speed, show_speed
from labkit.view.standing import plot_standing, show_standing
from labkit.view.tables import show_bd_rates, show_campaign, show_generation, show_points, show_rates
from labkit.view.timeline import plot_timeline
from labkit.view.tree import show_lineage
from labkit.view.tree_chart import plot_lineage
from labkit.view.truth import show_canaries, show_code_quality, show_goal, show_held_out, show_metrics
from labkit.view.viewer import explore_frames

__all__ = [
    "command",
    "draw_rd",
    "explore_frames",
    "explore_lineage",
    "explore_rd",
    "monitor",
    "open_run",
    "plot_bits",
    "plot_cost",
    "plot_curves",
    "plot_lineage",
    "plot_progress",
    "plot_rd",
    "plot_runs",
    "plot_speed",
    "plot_standing",
    "plot_timeline",
    "run_campaign",
    "show_answer",
    "show_audit",
    "show_bd_rates",
    "show_campaign",
    "show_canaries",
    "show_champion",
    "show_change",
    "show_changes",
    "show_checked",
    "show_code",
    "show_code_quality",
    "show_comparison",
    "show_diary",
    "show_diff",
    "show_difference",
    "show_entry",
    "show_exchanges",
    "show_failure_classes",
    "show_failures",
    "show_frames",
    "show_generation",
    "show_goal",
    "show_held_out",
    "show_isolation",
    "show_lineage",
    "show_metrics",
    "show_monitor",
    "show_points",
    "show_rates",
    "show_runs",
    "show_speed",
    "show_standing",
    "start_tour",
]

"""What is computed from the raw values of the rounds. Nothing here measures."""
import dataclasses
import math
import statistics


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a run: where it is in the report of the load, what it is called, its unit.

    `path` is the way to it through the report; `over`, if any, the way to what it is divided by, and
    `scale` makes the result a number of `unit`. A `difference` of two measurements may be nothing or, by
    noise, less.
    """
    path: str
    title: str
    unit: str
    over: str = ""
    scale: float = 1
    difference: bool = False

    def of(self, run):
        """The number, or None if this run has none."""
        value = look_up(run, self.path)
        if value is None:
            return None
        if not self.over:
            return value * self.scale
        divisor = look_up(run, self.over)
        return value * self.scale / divisor if divisor else None


COST = Figure("cpu_ns_per_message", "server CPU per message", "ns")
COST_OF_BYTE = Figure("cpu_ns_per_byte", "server CPU per byte", "ns")
COST_OF_WRITE = Figure("cpu_ns_per_message", "server CPU per write", "ns")
COST_OF_CALLBACK = Figure("cpu_ns_per_message", "time per callback", "ns")
MESSAGES = Figure("messages", "messages", "/s", over="window_ns", scale=1e9)
BYTES = Figure("bytes", "throughput", "MB/s", over="window_ns", scale=1e3)
LATENCY_P50 = Figure("latency_ns.p50", "latency p50", "µs", scale=1e-3)
LATENCY_P99 = Figure("latency_ns.p99", "latency p99", "µs", scale=1e-3)
RSS_PEAK = Figure("rss_peak_kib", "peak RSS", "MiB", scale=1 / 1024)
QUEUEING = Figure("extra.queueing_cpu_ns_per_write", "of it queueing", "ns", difference=True)
DRAINING = Figure("extra.draining_cpu_ns_per_write", "of it draining", "ns")
RSS_BEFORE = Figure("extra.rss_before_kib", "RSS before", "MiB", scale=1 / 1024)
RSS_QUEUED = Figure("extra.rss_queued_kib", "RSS when queued", "MiB", scale=1 / 1024)
RSS_BEFORE_MESSAGE = Figure("extra.rss_before_message_kib", "RSS before the first message, exactly", "MiB",
                            scale=1 / 1024)
RSS_AFTER_WINDOW = Figure("extra.rss_after_window_kib", "RSS after the window, exactly", "MiB", scale=1 / 1024)
RSS_AFTER_DRAIN = Figure("extra.rss_after_kib", "RSS after the drain", "MiB", scale=1 / 1024)
LATENCY_AGAINST_QUIET = Figure("latency_ns.p50", "latency p50 against a quiet server", "",
                               over="extra.quiet_p50_ns")
P99_AGAINST_QUIET = Figure("latency_ns.p99", "latency p99 against a quiet server", "", over="extra.quiet_p99_ns")
FILLING_P50_AGAINST_QUIET = Figure("extra.filling_p50_ns",
                                   "latency p50 while neighbours fill, against a quiet server", "",
                                   over="extra.quiet_p50_ns")
FILLING_P99_AGAINST_QUIET = Figure("extra.filling_p99_ns",
                                   "latency p99 while neighbours fill, against a quiet server", "",
                                   over="extra.quiet_p99_ns")
BYTES_PER_SLOW_READER = Figure("extra.rss_per_connection_bytes", "memory per slow reader", "KiB",
                               scale=1 / 1024, difference=True)
BYTES_WHEN_ACCEPTED = Figure("extra.bytes_per_connection", "user memory per connection, accepted", "B",
                             difference=True)
BYTES_AFTER_ECHO = Figure("extra.bytes_per_connection_after_echo", "user memory per connection, after an echo",
                          "B", difference=True)


def look_up(report, path):
    """The number at `path`, a dotted way through nested objects; None if there is none."""
    value = report
    for key in path.split("."):
        if not isinstance(value, dict) or value.get(key) is None:
            return None
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value


@dataclasses.dataclass(frozen=True)
class Spread:
    """Several values of one figure: their median, the least and the greatest."""
    median: float
    low: float
    high: float
    count: int


def spread(values):
    """The spread of the values, or None if there are none."""
    values = list(values)
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def range_of_median(values):
    """The narrowest range between values of the same rank from both ends in which the median of all rounds that could
    have been measured lies with a probability of 95 %, whatever their distribution; with fewer than six, all of it."""
    values = sorted(values)
    rank, tail = 0, 0.5 ** len(values)
    # The chance that so few lie beyond it on one side.
    while rank + 1 < len(values) / 2:
        tail += math.comb(len(values), rank + 1) * 0.5 ** len(values)
        if 2 * tail > 0.05:
            break
        rank += 1
    return values[rank], values[-1 - rank]


def values_of(case, contender, figure):
    """The values of a contender, in the order of the rounds it took part in."""
    found = (figure.of(runs[contender]) for runs in case["rounds"] if contender in runs)
    return [value for value in found if value is not None]


def ratios_of(case, contender, figure, against="epoll"):
    """The ratios of a contender to another one, each of one round; a round without both has none."""
    ratios = []
    for runs in case["rounds"]:
        if contender in runs and against in runs:
            value, limit = figure.of(runs[contender]), figure.of(runs[against])
            if value is not None and limit:
                ratios.append(value / limit)
    return ratios


def contenders_of(case):
    """The contenders that have a figure in at least one round, in the order of their first runs."""
    return list(dict.fromkeys(name for runs in case["rounds"] for name in runs))


def summary_of(case, figures):
    """For each contender and figure the spread of the values and of the ratios, to be read by programs."""
    summary = {}
    for contender in contenders_of(case):
        for figure in figures:
            values = spread(values_of(case, contender, figure))
            if values is None:
                continue
            entry = {"unit": figure.unit, "value": dataclasses.asdict(values)}
            ratio = spread(ratios_of(case, contender, figure))
            if ratio is not None:
                entry["ratio_to_epoll"] = dataclasses.asdict(ratio)
            summary.setdefault(contender, {})[figure.title] = entry
    return summary


def number(value):
    """A number with three significant digits and no exponent: 0.0123, 1.23, 123, 12,300."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    decimals = 2
    while size < 10 ** -(decimals - 2) and decimals < 9:
        decimals += 1
    if size >= 10:
        decimals = 1
    return f"{value:.{decimals}f}"


def with_spread(values, show=number):
    """'median (low..high)', or only the median of a single value."""
    if values is None:
        return ""
    if values.count == 1:
        return show(values.median)
    return f"{show(values.median)} ({show(values.low)}..{show(values.high)})"

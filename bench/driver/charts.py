"""The chart of a workload: dots with their spread for each case, or lines over an axis."""
from .figures import contenders_of, number, ratios_of, spread, values_of
from .svg import Drawing, LogScale

COLOURS = {"epoll": "limit", "sluice": "ours", "sluice-coroutines": "ours2"}
MARGIN, LABELS, VALUES, ROW, PANEL_HEAD = 16, 160, 64, 18, 26
WIDTH = 960


def colour_of(contender):
    return COLOURS.get(contender, "other")


def series_of(case, figure, relative):
    """Contender -> spread of what the chart shows."""
    found = {}
    for name in contenders_of(case):
        values = ratios_of(case, name, figure) if relative else values_of(case, name, figure)
        values = [value for value in values if value > 0]
        if values:
            found[name] = spread(values)
    return found


def limits_of(series, relative):
    spreads = [values for case in series for values in case.values()]
    low, high = min(value.low for value in spreads), max(value.high for value in spreads)
    if relative:
        low, high = min(low, 1), max(high, 1)
    return low / 1.03, high * 1.03


def chart(workload, result, title_of):
    """The SVG of a result."""
    if workload.axis:
        return lines_chart(workload, result, title_of)
    relative = any(ratios_of(case, name, workload.main)
                   for case in result["cases"] for name in contenders_of(case) if name != "epoll")
    cases = [(case, series_of(case, workload.main, relative)) for case in result["cases"]]
    cases = [(case, series) for case, series in cases if series]
    what = f"{workload.main.title}, {'ratio to epoll by hand' if relative else workload.main.unit}"
    if not cases:
        drawing = Drawing(WIDTH, 60, f"{workload.title}: no figures")
        drawing.text(MARGIN, 30, f"{workload.title}: no figures")
        return drawing.svg()
    return dots_chart(workload, cases, relative, what, title_of)


def dots_chart(workload, cases, relative, what, title_of):
    columns = 1 if len(cases) == 1 else 2
    rows_of_panels = [cases[start:start + columns] for start in range(0, len(cases), columns)]
    heights = [PANEL_HEAD + ROW * max(len(series) for _, series in row) + 30 for row in rows_of_panels]
    drawing = Drawing(WIDTH, 56 + sum(heights) + MARGIN, f"{workload.title}: {what}")
    drawing.text(MARGIN, 26, workload.title, size=16, bold=True)
    drawing.text(MARGIN, 44, f"{what}; dot: median, line: least to greatest of the rounds; logarithmic",
                 "faint")
    low, high = limits_of([series for _, series in cases], relative)
    panel_width = (WIDTH - MARGIN * (columns + 1)) / columns
    top = 56
    for row, height in zip(rows_of_panels, heights):
        for column, (case, series) in enumerate(row):
            left = MARGIN + column * (panel_width + MARGIN)
            scale = LogScale(low, high, left + LABELS, left + panel_width - VALUES)
            draw_panel(drawing, left, top, case["case"], series, scale, relative, title_of)
        top += height
    return drawing.svg()


def draw_panel(drawing, left, top, label, series, scale, relative, title_of):
    bottom = top + PANEL_HEAD + ROW * len(series)
    drawing.text(left, top + 18, label, bold=True)
    for tick in scale.ticks():
        x = scale.at(tick)
        drawing.line(x, top + PANEL_HEAD, x, bottom, "grid")
        drawing.text(x, bottom + 14, f"{tick:g}", "faint", "middle", 10)
    if relative:
        drawing.line(scale.at(1), top + PANEL_HEAD, scale.at(1), bottom, "limit", 1.5, dashed=True)
    for number_of_row, (name, values) in enumerate(series.items()):
        y = top + PANEL_HEAD + ROW * (number_of_row + 0.5)
        colour = colour_of(name)
        drawing.text(scale.start - 8, y + 4, title_of(name), anchor="end")
        drawing.line(scale.at(values.low), y, scale.at(values.high), y, colour, 2)
        drawing.dot(scale.at(values.median), y, colour)
        drawing.text(scale.end + VALUES, y + 4,
                     f"{values.median:.2f}" if relative else number(values.median), anchor="end")


def lines_chart(workload, result, title_of):
    """Cost over an axis, and below it the ratio to the limit over the same axis."""
    height, between, left, right = 300, 70, 80, 190
    drawing = Drawing(WIDTH, 76 + 2 * height + between + 50, workload.title)
    drawing.text(MARGIN, 26, workload.title, size=16, bold=True)
    drawing.text(MARGIN, 44, "Points: median of the rounds, bars: least to greatest; both axes logarithmic", "faint")
    across = LogScale(min(case["x"] for case in result["cases"]), max(case["x"] for case in result["cases"]),
                      left, WIDTH - right)
    for index, relative in enumerate((False, True)):
        top = 76 + index * (height + between)
        cases = [(case["x"], series_of(case, workload.main, relative)) for case in result["cases"]]
        cases = [(x, series) for x, series in cases if series]
        if not cases:
            continue
        low, high = limits_of([series for _, series in cases], relative)
        up = LogScale(low, high, top + height, top)
        drawing.text(left, top - 8, "ratio to epoll by hand" if relative else
                     f"{workload.main.title}, {workload.main.unit}", bold=True)
        draw_axes(drawing, workload, across, up)
        draw_lines(drawing, cases, across, up, title_of)
    return drawing.svg()


def draw_axes(drawing, workload, across, up):
    for tick in up.ticks():
        y = up.at(tick)
        drawing.line(across.start, y, across.end, y, "grid")
        drawing.text(across.start - 8, y + 4, f"{tick:g}", "faint", "end", 10)
    for tick in across.ticks():
        x = across.at(tick)
        drawing.line(x, up.start, x, up.end, "grid")
        drawing.text(x, up.start + 14, f"{tick:,.0f}", "faint", "middle", 10)
    drawing.text((across.start + across.end) / 2, up.start + 32, workload.axis, "faint", "middle")


def draw_lines(drawing, cases, across, up, title_of):
    names = list(dict.fromkeys(name for _, series in cases for name in series))
    ends = []
    for name in names:
        points = [(across.at(x), series[name]) for x, series in cases if name in series]
        colour = colour_of(name)
        drawing.path([(x, up.at(values.median)) for x, values in points], colour)
        for x, values in points:
            drawing.line(x, up.at(values.low), x, up.at(values.high), colour)
            drawing.dot(x, up.at(values.median), colour, 3)
        ends.append([up.at(points[-1][1].median), name, colour])
    # Names that would cover each other are moved down.
    lowest = -ROW
    for y, name, colour in sorted(ends):
        lowest = max(y, lowest + ROW - 2)
        drawing.dot(across.end + 14, lowest, colour, 3)
        drawing.text(across.end + 22, lowest + 4, title_of(name))

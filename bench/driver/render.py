"""From the files of results to what people read: text for a terminal, Markdown, charts."""
from . import charts, document, goals
from .contenders import BY_NAME as CONTENDERS
from .figures import contenders_of, ratios_of, spread, values_of, with_spread
from .workloads import ALL, BY_NAME

MARKS = {True: "**met**", False: "**not met**", None: "open"}


def title_of(contender):
    return CONTENDERS[contender].title if contender in CONTENDERS else contender


def ratio(value):
    return f"{value:.2f}"


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" for _ in head) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def contenders_of_result(result):
    """Everyone with a figure in some case, in the order of the registry."""
    found = {name for case in result["cases"] for name in contenders_of(case)}
    return [name for name in CONTENDERS if name in found] + sorted(found - CONTENDERS.keys())


def figure_heads(figures):
    return [f"{figure.title}{', ' + figure.unit if figure.unit and figure.unit != '/s' else ''}"
            f"{' per s' if figure.unit == '/s' else ''}" for figure in figures]


def full_rows(result):
    """For each case and contender: ratio, then all figures."""
    workload = BY_NAME[result["workload"]]
    for case in result["cases"]:
        for name in contenders_of_result(result):
            values = [spread(values_of(case, name, figure)) for figure in workload.figures]
            if values[0] is not None:
                yield [case["case"], title_of(name), str(values[0].count),
                       with_spread(spread(ratios_of(case, name, workload.main)), ratio),
                       *[with_spread(value) for value in values]]


def full_head(workload):
    return ["case", "contender", "rounds", "ratio to epoll", *figure_heads(workload.figures)]


def workload_text(one, result):
    """The result for a terminal, in columns."""
    workload = BY_NAME[result["workload"]]
    lines = [f"{workload.name} ({workload.goal}): {workload.title}. {result['pinning']}; load average before it "
             f"{result['load_average_before']}"]
    rows = [full_head(workload), *full_rows(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [f"absent: {name}: {reason}" for name, reason in result["absent"].items()]
    return "\n".join(lines) + "\n"


def main_cell(case, name, figure):
    """The ratio if the limit takes part, otherwise the figure."""
    ratios = spread(ratios_of(case, name, figure))
    return with_spread(ratios, ratio) if ratios else with_spread(spread(values_of(case, name, figure)))


def main_table(result):
    """Contenders and cases; whichever are more go down."""
    figure, names = BY_NAME[result["workload"]].main, contenders_of_result(result)
    cells = [[title_of(name), *[main_cell(case, name, figure) for case in result["cases"]]] for name in names]
    head = ["", *[case["case"] for case in result["cases"]]]
    if len(result["cases"]) > len(names):
        head, *cells = map(list, zip(head, *cells))
    return table(head, cells)


def workload_section(result):
    workload = BY_NAME[result["workload"]]
    what = f", {workload.main.unit}" if workload.micro else " as a ratio to the limit of the same round"
    lines = [f"## {sentence(workload.goal)}: {workload.title}", "", workload.about, "",
             f"{sentence(workload.main.title)}{what}: median (least..greatest). {sentence(result['pinning'])}.", ""]
    lines += main_table(result)
    lines += ["", f"![chart of {workload.name}]({workload.name}.svg)", "",
              f"<details><summary>All figures, raw values in <a href=\"{workload.name}.json\">"
              f"{workload.name}.json</a></summary>", ""]
    lines += table(full_head(workload), full_rows(result))
    lines += ["", "</details>", ""]
    if result["absent"]:
        lines += ["Absent: " + "; ".join(f"{title_of(name)} ({reason})"
                                         for name, reason in result["absent"].items()) + ".", ""]
    for failure in result["failures"]:
        lines += [f"**Failed**: {title_of(failure['contender'])}, {failure['case']}, round "
                  f"{failure['round']}: {failure['what']}", ""]
    return lines


def sentence(text):
    return text[:1].upper() + text[1:]


def goals_section(results):
    verdicts = goals.judge_all(results)
    rows = [[verdict.goal, verdict.wanted, verdict.measured, MARKS[verdict.met]] for verdict in verdicts]
    met = sum(verdict.met is True for verdict in verdicts)
    return ["## Goals", "", f"{met} of {len(verdicts)} met. In brackets behind the median of a ratio: the range "
            "in which it lies with 95 %, by the ranks of the rounds; with fewer than six, from the least to the "
            "greatest.", "", *table(["", "goal", "measured", ""], rows), ""]


def facts_text(facts):
    return ", ".join(f"{key.replace('_', ' ')} {value}" if not isinstance(value, bool) else
                     (key.replace("_", " ") if value else f"not {key.replace('_', ' ')}")
                     for key, value in facts.items())


def machine_section(documents):
    """What was measured on what. Files that were measured alike share the lines."""
    groups = {}
    for name, one in documents.items():
        facts = (one["sluice"], facts_text(one["machine"]), facts_text(one["build"]),
                 "; ".join(f"{title_of(contender)}: {version}" for contender, version in one["versions"].items()))
        groups.setdefault(facts, []).append(name)
    lines = ["## Machine", ""]
    for (revision, machine, build, versions), names in groups.items():
        lines += [f"{', '.join(names)}:" if len(groups) > 1 else "All of it:", "",
                  *table(["", ""], [["Sluice", revision or "no checkout"], ["machine", machine],
                                    ["build", build or "unknown"], ["peers", versions or "none"]]), ""]
    rows = [[name, one["measured"], f"{result['seconds']:.0f} s", str(result["load_average_before"])]
            for name, one in documents.items() for result in one["results"]]
    return lines + table(["workload", "measured at", "took", "load average before"], rows) + [""]


def summary(documents):
    """The page for all results of a folder."""
    documents = {workload.name: documents[workload.name] for workload in ALL if workload.name in documents}
    results = {name: one["results"][0] for name, one in documents.items()}
    lines = ["# Results of the benchmarks", "",
             "Written by `bench/run` from the JSON files beside it; `bench/run --render` writes it again. "
             "[The method](../README.md) is told elsewhere. Times belong to the machine; the ratios to the limit, "
             "a server by hand on epoll, are what can be compared.", ""]
    lines += goals_section(results)
    for result in results.values():
        lines += workload_section(result)
    lines += machine_section(documents)
    return "\n".join(lines)


def render_folder(folder):
    documents = document.read_folder(folder)
    for name, one in documents.items():
        if name in BY_NAME:
            (folder / f"{name}.svg").write_text(
                charts.chart(BY_NAME[name], one["results"][0], title_of), encoding="utf-8")
    (folder / "summary.md").write_text(summary(documents), encoding="utf-8")

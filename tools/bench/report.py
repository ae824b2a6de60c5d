# SPDX-License-Identifier: MIT
"""From measured runs to Markdown: medians, spread, ratios to us, and the machine they are true of."""

import os
import platform
import re
import statistics
import subprocess

MIB = 1 << 20


class Series:
    """What one tool cost on one tree in one way, round by round."""

    def __init__(self, tool):
        self.tool, self.runs = tool, {}

    def add(self, round_number, cost):
        self.runs[round_number] = cost

    def values(self, key):
        return [cost[key] for cost in self.runs.values()]

    def median(self, key):
        return statistics.median(self.values(key))

    def stopped(self):
        return any(cost["timeout"] for cost in self.runs.values())

    def trouble(self):
        """What a reader must know before he believes the row."""
        words = []
        statuses = {cost["status"] for cost in self.runs.values() if not cost["timeout"]} - {0}
        if statuses:
            words.append("exit " + ", ".join(str(status) for status in sorted(statuses)))
        left = [cost["left"] for cost in self.runs.values() if cost.get("left")]
        if left:
            words.append(f"{statistics.median(left):.0f} inodes too many left")
        return "; ".join(words)


def ratio(series, base, key):
    """Ratio of the medians, and the range of the ratios within a round, which is what interleaving is for."""
    if base is None or not base.median(key):
        return "", None
    pairs = [series.runs[n][key] / base.runs[n][key] for n in series.runs if n in base.runs and base.runs[n][key]]
    of_medians = series.median(key) / base.median(key)
    if not pairs or series is base:
        return "1", of_medians
    return f"{of_medians:.2f} ({min(pairs):.2f}..{max(pairs):.2f})", of_medians


def megabytes(value):
    return f"{value / MIB:,.1f}" if value < 100 * MIB else f"{value / MIB:,.0f}"


def table(all_series, base_name):
    """Rows sorted by wall time; base is us, or the first tool while we are not there."""
    by_name = {series.tool.name: series for series in all_series}
    base = by_name.get(base_name)
    head = ["tool", "wall s", "min..max", f"wall / {base_name}", "CPU s", f"CPU / {base_name}", "peak MiB",
            "read MiB", "from disk MiB", "remarks"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 2) + "|---|"]
    for series in sorted(all_series, key=lambda one: (one.stopped(), one.median("wall"))):
        walls = series.values("wall")
        more = "> " if series.stopped() else ""
        cells = [series.tool.name, f"{more}{series.median('wall'):.3f}", f"{min(walls):.3f}..{max(walls):.3f}",
                 more + ratio(series, base, "wall")[0], f"{series.median('cpu'):.2f}", ratio(series, base, "cpu")[0],
                 megabytes(series.median("rss")), megabytes(series.median("rchar")), megabytes(series.median("disk")),
                 "stopped" if series.stopped() else series.trouble()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found.group(1).strip() if found else platform.machine()


def memory():
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / (1 << 30):.0f} GiB"


def file_system(path):
    done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", path], stdout=subprocess.PIPE,
                          text=True, check=False)
    kind, source, options = (done.stdout.split() + ["?", "?", "?"])[:3]
    device = os.path.basename(source)
    if not device.startswith("loop"):
        device = re.sub(r"\d+$", "", device)
    try:
        with open(f"/sys/block/{device}/queue/rotational", encoding="ascii") as file:
            rotates = f", rotational flag {file.read().strip()}"
    except OSError:
        rotates = ""
    return f"{kind} on {device} ({options}{rotates})"


def machine(path, tools):
    versions = ", ".join(f"{tool.name} {tool.version()}" for tool in tools if tool.version())
    return "\n".join([
        f"- machine: {cpu_model()}, {os.cpu_count()} cores, {memory()}; {file_system(path)}",
        f"- kernel: {platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
        f"- versions: {versions}",
    ])


# ---- the targets -----------------------------------------------------------------------------------------------

SMALL = ("source", "npm")
USUAL = ("source", "npm", "photos", "mixed")

# Trees, way of running, who is compared with us, figure, bound; figures are theirs over ours and must reach the bound,
# but with "most", where ours over theirs must stay below it.
TARGETS = [
    (SMALL, ("dry", "warm"), ("hardlink",), "wall", "least", 2.5),
    (SMALL, ("dry", "warm"), ("jdupes",), "wall", "least", 4.0),
    (SMALL, ("dry", "warm"), ("hardlink",), "cpu", "most", 0.55),
    (SMALL, ("dry", "warm"), ("fclones", "fclones-64", "yadf", "yadf-64"), "wall", "least", 1.3),
    (("snapshots",), ("dry", "warm"), ("hardlink",), "wall", "least", 6.0),
    (("snapshots",), ("dry", "warm"), ("jdupes",), "wall", "least", 10.0),
    (("source", "npm", "photos", "snapshots", "tiny", "mixed"), ("dry", "warm"), ("floor",), "wall", "most", 1.3),
    (SMALL, ("dry", "cold"), ("hardlink", "jdupes"), "wall", "least", 3.5),
    (("photos", "huge"), ("dry", "cold"), ("hardlink", "jdupes"), "wall", "least", 3.0),
    (("mixed",), ("dry", "cold"), ("hardlink", "jdupes"), "wall", "least", 2.0),
    (USUAL, ("dry", "cold"), ("fclones", "fclones-64", "yadf", "yadf-64"), "wall", "least", 1.0),
    (("source", "npm", "tiny"), ("second", "warm"), ("walk",), "wall", "most", 1.2),
    (("source", "npm", "tiny"), ("night", "warm"), ("walk",), "wall", "most", 1.2),
    (("snapshots",), ("second", "warm"), ("walk",), "wall", "most", 0.75),
    (("snapshots",), ("night", "warm"), ("walk",), "wall", "most", 0.75),
    (USUAL, ("link", "warm"), ("hardlink", "jdupes", "fclones", "fclones-64"), "wall", "most", 0.85),
    (USUAL, ("link", "cold"), ("hardlink", "jdupes", "fclones", "fclones-64"), "wall", "least", 1.0),
    (("tiny",), ("dry", "warm"), ("hardlink", "jdupes", "rdfind", "fclones-64", "yadf"), "rss", "least", 1.0),
]


def target_lines(results, base_name, linking_bound):
    """One row for each target that this run can speak about. results: {(tree, mode, cache): [Series]}."""
    lines = []
    for trees, (mode, cache), names, key, sense, bound in TARGETS:
        if mode == "link" and sense == "most":
            bound = linking_bound
        for tree in trees:
            by_name = {one.tool.name: one for one in results.get((tree, mode, cache), [])}
            ours, theirs = by_name.get(base_name), [by_name[name] for name in names if name in by_name]
            if ours is None or not theirs:
                continue
            best = min(theirs, key=lambda one: one.median(key))
            reached = best.median(key) / ours.median(key) if sense == "least" else ours.median(key) / best.median(key)
            good = reached >= bound if sense == "least" else reached <= bound
            lines.append(f"| {tree}, {mode}, {cache} | {key} against {best.tool.name} | at {sense} {bound:g} | "
                         f"{reached:.2f} | {'yes' if good else '**no**'} |")
    if not lines:
        return ""
    return "\n".join(["| work | figure | must be | is | reached |", "|---|---|---:|---:|---|", *lines])

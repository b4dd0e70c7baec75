"""One table and one plot of everything, written into docs/performance.md between its marks."""

from .load import spread

BEGIN, END = "<!-- {} begins -->", "<!-- {} ends -->"


def ratios(rows, of, to, figure):
    """The ratio within each repeat; `rows` maps a proxy to its figures, repeat by repeat."""
    pairs = zip(rows.get(of, []), rows.get(to, []))
    return [mine[figure] / theirs[figure] for mine, theirs in pairs if mine and theirs and theirs[figure]]


def table(scenario, rows):
    """The table of one scenario; a repeat in which a proxy failed is a `None` in its row."""
    if not rows:
        return f"**{scenario.title}** (`{scenario.name}`): not measured\n"
    figure = scenario.figure
    counted = {name: [one for one in found if one] for name, found in rows.items()}
    repeats = max(map(len, rows.values()))
    more = [name for name in next(iter(counted.values()))[0] if name != figure]
    heads = ["", figure, "to nginx", "to haproxy", "cloakroom to it", *more]
    lines = [f"**{scenario.title}** (`{scenario.name}`)", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, found in counted.items():
        shown = name if len(found) == repeats else f"{name} ({len(found)} of {repeats} repeats)"
        cells = [shown, numbers([one[figure] for one in found])]
        for peer in ("nginx", "haproxy"):
            against = ratios(rows, name, peer, figure)
            cells.append(numbers(against, 2) if against and peer != name else "")
        ours = [] if name.startswith("cloakroom") else ratios(rows, "cloakroom", name, figure)
        cells.append(numbers(ours, 3 if spread(ours)[1] < 0.1 else 2) if ours else "")
        cells += [numbers([one[what] for one in found]) for what in more]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def numbers(values, digits=None):
    """Least/median/most."""
    low, middle, high = spread(values)
    if digits is None:
        digits = 0 if middle >= 1000 else 1 if middle >= 10 else 2
    return "/".join(f"{value:.{digits}f}" for value in (low, middle, high))


def plot(results):
    """An SVG: for each scenario the median ratio of each proxy to nginx, with its range."""
    colours = {"cloakroom": "#0b6e4f", "nginx": "#888888", "haproxy": "#d1495b"}
    left, width, row, y, parts = 260, 420, 16, 40, []
    scale = width / 2.0
    for scenario, rows in results:
        parts.append(text(10, y + 12, scenario.title, "start", "bold"))
        for name in ("cloakroom", "nginx", "haproxy"):
            against = [1.0] if name == "nginx" else ratios(rows, name, "nginx", scenario.figure)
            if not against:
                continue
            median = spread(against)[1]
            # What is wider than the plot ends at its edge; the number is the true one.
            low, middle, high = (min(value, 2.0) for value in spread(against))
            y += row
            parts.append(
                f'<rect x="{left}" y="{y}" width="{middle * scale:.1f}" height="{row - 5}" fill="{colours[name]}"/>'
                f'<line x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" y1="{y + 5.5}" y2="{y + 5.5}"'
                ' stroke="#222" stroke-width="1"/>'
            )
            parts.append(text(left - 8, y + 10, name, "end"))
            parts.append(text(left + max(middle, high) * scale + 6, y + 10, f"{median:.2f}", "start"))
        y += row + 12
    line = left + scale
    frame = f'<line x1="{line}" x2="{line}" y1="30" y2="{y}" stroke="#bbb" stroke-dasharray="3 3"/>'
    head = text(10, 20, "median ratio to nginx (line: least to most; CPU, memory, latency: less is better; MiB/s: more)", "start")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {y + 10}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{head}\n{frame}\n' + "\n".join(parts) + "\n</svg>\n"
    )


def text(x, y, what, anchor, weight="normal"):
    """A text in the plot."""
    what = what.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{what}</text>'


def put(document, command, body):
    """Replaces what is between the marks of `command` in the document."""
    begin, end = BEGIN.format(command), END.format(command)
    whole = document.read_text()
    before, _, rest = whole.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise RuntimeError(f"{document} lacks the lines {begin} and {end}")
    document.write_text(f"{before}{begin}\n\n{body}\n{end}{after}")

"""SVG by hand: elements, scales and ticks. Colours follow the reader's light or dark scheme."""
import math
from xml.sax.saxutils import escape, quoteattr

LIGHT = {"back": "#ffffff", "text": "#1f2328", "faint": "#59636e", "grid": "#d8dee4", "limit": "#8c959f",
         "ours": "#0969da", "ours2": "#8250df", "other": "#9a6700"}
DARK = {"back": "#0d1117", "text": "#e6edf3", "faint": "#9198a1", "grid": "#2a313a", "limit": "#6e7681",
        "ours": "#4493f8", "ours2": "#ab7df8", "other": "#d29922"}


def rules(colours):
    return "".join(f".f-{name}{{fill:{value}}}.s-{name}{{stroke:{value}}}" for name, value in colours.items())


class Drawing:
    """A picture whose elements are added one by one. Every colour is the name of one of the palette."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []
        self.parts.append(f'<rect class="f-back" width="{width:g}" height="{height:g}"/>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dashed=False):
        dash = ' stroke-dasharray="3 3"' if dashed else ""
        self.parts.append(f'<line class="s-{colour}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke-width="{width:g}"{dash}/>')

    def path(self, points, colour, width=2.0):
        data = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline class="s-{colour}" points="{data}" fill="none" stroke-width="{width:g}"/>')

    def dot(self, x, y, colour, radius=4.0):
        self.parts.append(f'<circle class="f-{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>')

    def text(self, x, y, words, colour="text", anchor="start", size=12, bold=False):
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(f'<text class="f-{colour}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                          f'font-size="{size}"{weight}>{escape(words)}</text>')

    def svg(self):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label={quoteattr(self.title)} '
            'font-family="system-ui, sans-serif">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{rules(LIGHT)}@media (prefers-color-scheme:dark){{{rules(DARK)}}}</style>",
            *self.parts, "</svg>", ""])


class LogScale:
    """Places positive numbers between two positions, equal ratios at equal distances."""

    def __init__(self, low, high, start, end):
        # A single value would have no width.
        self.low, self.high = (low, high) if high > low else (low / 1.1, high * 1.1)
        self.start, self.end = start, end

    def at(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        """Round numbers within the scale: 1, 2 and 5 times powers of ten, or finer on a short scale."""
        digits = (1, 2, 5) if self.high / self.low > 4 else (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
        if self.high / self.low <= 1.6:
            digits = [1 + step / 20 for step in range(0, 180)]
        if self.high / self.low > 2000:
            digits = (1,)
        low = math.floor(math.log10(self.low))
        high = math.ceil(math.log10(self.high))
        found = [digit * 10.0 ** power for power in range(low, high + 1) for digit in digits]
        inside = [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]
        step = max(1, math.ceil(len(inside) / 8))
        return inside[::step]

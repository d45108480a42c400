"""Charts are well-formed, show every value, and escape what users wrote."""

from xml.etree import ElementTree as ET

from training.charts import confusion_table, line_chart, reliability_chart
from training.quality import ReliabilityBin


def test_a_line_has_a_point_for_each_epoch() -> None:
    """Also when there is one epoch, and when nothing changes."""
    for values in ([2.0, 1.0, 0.5], [1.0], [1.0, 1.0]):
        chart = ET.fromstring(line_chart("loss", {"a < b": values}))  # noqa: S314 - our own text
        (line,) = chart.findall("polyline")
        assert len(line.attrib["points"].split()) == len(values)
        assert "nan" not in line.attrib["points"]


def test_a_bar_is_as_high_as_its_accuracy() -> None:
    """Against the full height of the chart."""
    bins = [
        ReliabilityBin(lower=0.4, upper=0.5, images=3, confidence=0.45, accuracy=0.5),
        ReliabilityBin(lower=0.9, upper=1.0, images=9, confidence=0.95, accuracy=1.0),
    ]
    bars = ET.fromstring(reliability_chart("as trained", bins)).findall("rect")  # noqa: S314 - our own text
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == 2 * heights[0]


def test_labels_are_escaped_in_the_confusion_matrix() -> None:
    """A class called <script> is text."""
    table = confusion_table(["<script>", "b"], [[3, 1], [0, 4]])
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert ">3</td>" in table

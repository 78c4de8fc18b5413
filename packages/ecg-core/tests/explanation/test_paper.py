"""ECG paper measured on the rendered picture: at 254 dpi one mm is 10 pixels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_core.explanation.arrangement import arrange
from ecg_core.explanation.paper import draw_ecg, figure_png, save_png

pytest.importorskip("matplotlib")

MARGIN, LEFT = 5, 15  # mm


def flat(leads: tuple[str, ...] = STANDARD_12, seconds: float = 10, fs: float = 100) -> Record:
    return Record(np.zeros((len(leads), round(seconds * fs)), np.float32), fs, leads, record_id="r1")


def pixels(figure) -> np.ndarray:
    """``(rows, columns, RGB)`` at 10 pixels per mm."""
    figure.set_dpi(254)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def ink(picture: np.ndarray) -> np.ndarray:
    return picture.max(axis=-1) < 90


def test_thick_lines_stand_every_5_mm_and_thin_lines_every_mm():
    picture = pixels(draw_ecg(flat(("II",), seconds=4)))
    green = picture[MARGIN * 10 + 15, MARGIN * 10 : -MARGIN * 10, 1]  # between two level lines; the grid is red, so green dips
    dips = np.flatnonzero((green[1:-1] < green[:-2]) & (green[1:-1] <= green[2:])) + 1
    np.testing.assert_allclose(np.diff(dips), 10, atol=1)
    thick = dips[green[dips] < np.median(green[dips]) - 5]
    np.testing.assert_allclose(np.diff(thick), 50, atol=1)


def test_the_calibration_pulse_is_10_mm_high_and_5_mm_wide():
    record = flat(("II",))
    grid = slice(0, round((MARGIN + arrange(record).height) * 10))
    marked = ink(pixels(draw_ecg(record)))[grid, : (MARGIN + LEFT) * 10 - 15]
    top_row = np.flatnonzero(marked.any(axis=1))[0]
    columns = np.flatnonzero(marked[top_row + 1])
    rows = np.flatnonzero(marked.any(axis=1))
    assert columns[-1] - columns[0] == pytest.approx(50, abs=4)  # the pen is 2.7 pixels wide
    assert rows[-1] - rows[0] == pytest.approx(100, abs=4)


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 5)])
def test_a_spike_of_1_mV_at_2_s_stands_where_speed_and_gain_put_it(speed, gain):
    record = flat(("II",), seconds=4)
    record.signal[0, 200] = 1.0
    sheet = arrange(record, speed=speed, gain=gain)
    marked = ink(pixels(draw_ecg(record, speed=speed, gain=gain)))
    right_of_label = round((MARGIN + sheet.left + 10) * 10)
    rows, columns = np.nonzero(marked[: round((MARGIN + sheet.height) * 10), right_of_label:])
    peak = columns[rows == rows.min()].mean() + right_of_label
    assert peak == pytest.approx((MARGIN + sheet.left + 2 * speed) * 10, abs=3)
    assert np.bincount(rows).argmax() - rows.min() == pytest.approx(10 * gain, abs=5)


def test_a_standard_ecg_is_printed_in_four_columns_of_consecutive_time_and_a_rhythm_strip():
    strips = arrange(flat()).strips
    assert [[s.lead for s in strips if s.row == row] for row in range(4)] == [
        ["I", "aVR", "V1", "V4"],
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ]
    v1 = next(s for s in strips if s.lead == "V1")
    assert (v1.start, v1.stop, v1.x) == (500, 750, LEFT + 125.0)
    assert (strips[-1].start, strips[-1].stop) == (0, 1000)


def test_leads_in_another_order_are_found_by_name():
    record = flat(tuple(reversed(STANDARD_12)))
    assert arrange(record) == arrange(flat())


def test_other_lead_sets_get_a_row_per_lead_in_their_own_order():
    sheet = arrange(flat(("V1", "II")))
    assert [(s.lead, s.row, s.start, s.stop) for s in sheet.strips] == [("V1", 0, 0, 1000), ("II", 1, 0, 1000)]


def test_a_long_strip_continues_on_the_next_row_every_10_s():
    strips = arrange(flat(("II",), seconds=25)).strips
    assert [(s.row, s.start, s.stop, s.label) for s in strips] == [
        (0, 0, 1000, "II"),
        (1, 1000, 2000, "II  10 s"),
        (2, 2000, 2500, "II  20 s"),
    ]


@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V5"), STANDARD_12])
def test_baselines_lie_on_thick_lines_inside_the_grid(leads):
    rng = np.random.default_rng(0)
    for size in (0.1, 1.0, 3.0):
        record = Record(rng.normal(size=(len(leads), 1000)) * size, 100, leads)
        sheet = arrange(record, layout="rows")
        baselines = [sheet.baseline(row) for row in range(sheet.rows)]
        assert all(height % 5 == 0 for height in baselines)
        assert baselines[0] <= sheet.height - 10
        assert baselines[-1] >= 10
        assert np.diff(baselines) == pytest.approx(-sheet.pitch)


def test_relevance_colours_the_samples_it_marks_and_nothing_else():
    relevance = np.zeros((1, 400))
    relevance[0, 200:300] = 1.0
    plain = pixels(draw_ecg(flat(("II",), seconds=4)))
    marked = pixels(draw_ecg(flat(("II",), seconds=4), relevance=relevance))
    changed = (plain != marked).any(axis=-1)[: round((MARGIN + arrange(flat(("II",), seconds=4)).height) * 10)]
    columns = np.flatnonzero(changed.any(axis=0)) / 10 - MARGIN - LEFT
    assert columns.min() == pytest.approx(2 * 25, abs=0.4)
    assert columns.max() == pytest.approx(3 * 25, abs=0.4)


def test_one_map_for_all_leads_is_drawn_like_the_same_map_for_each_lead():
    one = np.linspace(0, 1, 1000)
    record = flat()
    assert figure_png(draw_ecg(record, relevance=one)) == figure_png(draw_ecg(record, relevance=np.tile(one, (12, 1))))


def test_an_offset_moves_no_trace_and_a_gap_stays_blank():
    record = flat(("II",), seconds=4)
    shifted = record.with_signal(record.signal + 7.5)
    assert figure_png(draw_ecg(shifted)) == figure_png(draw_ecg(record))
    gap = record.signal.copy()
    gap[0, 200:300] = np.nan
    sheet = arrange(record)
    row = round((MARGIN + sheet.height - sheet.baseline(0)) * 10)
    columns = slice(round((MARGIN + LEFT + 51) * 10), round((MARGIN + LEFT + 73) * 10))
    assert ink(pixels(draw_ecg(record)))[row - 3 : row + 3, columns].any()
    assert not ink(pixels(draw_ecg(record.with_signal(gap))))[row - 3 : row + 3, columns].any()


def test_a_huge_trace_stays_on_the_grid():
    record = flat(("II",), seconds=4)
    record.signal[0, 200] = 50.0
    marked = ink(pixels(draw_ecg(record)))
    assert not marked[: MARGIN * 10 - 2].any()


def test_the_same_record_gives_the_same_bytes_and_is_not_modified():
    record = flat()
    record.signal[:] = np.random.default_rng(0).normal(size=record.signal.shape)
    before = record.signal.copy()
    assert figure_png(draw_ecg(record, title="a $b$ c$")) == figure_png(draw_ecg(record, title="a $b$ c$"))
    np.testing.assert_array_equal(record.signal, before)


def test_a_saved_picture_replaces_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep" / "r1.png"
    path.parent.mkdir()
    path.write_bytes(b"old")
    figure = draw_ecg(flat(("II",)))
    assert save_png(figure, path, dpi=50) == path
    assert path.read_bytes() == figure_png(figure, dpi=50)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["r1.png"]


def test_drawing_loads_no_pyplot():
    code = (
        "import sys, numpy as np; from ecg_core.data.record import Record; from ecg_core.explanation.paper import draw_ecg;"
        "assert 'matplotlib' not in sys.modules; draw_ecg(Record(np.zeros((1, 99)), 100, ['II']));"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_message_holds_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"drawing an ECG needs matplotlib: pip install 'ecg-core\[plots\]'"):
        draw_ecg(flat(("II",)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"layout": "3x4"}, "needs the twelve standard leads, and I, III, aVR"),
        ({"layout": "4x3"}, "layout must be 'auto', '3x4' or 'rows', got '4x3'"),
        ({"speed": 0}, r"speed \(mm/s\) and gain \(mm/mV\) must be positive, got 0 and 10"),
        ({"relevance": np.zeros(7)}, r"\(leads, samples\) = \(1, 1000\) or \(samples,\) = \(1000,\), got \(7,\)"),
        ({"relevance": np.full(1000, 1.5)}, r"relevance must lie in \[-1, 1\], got values from 1.5 to 1.5"),
        ({"relevance": np.full(1000, np.nan)}, r"relevance must lie in \[-1, 1\], got values from nan to nan"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(options, sentence):
    with pytest.raises(DataError, match=sentence):
        draw_ecg(flat(("II",)), **options)


def test_a_day_of_ecg_is_refused_with_a_way_out():
    with pytest.raises(DataError, match=r"would need 8640 rows of paper .* e.g. record.crop\(0, 100\)"):
        draw_ecg(flat(("II",), seconds=86400, fs=10))


def test_an_empty_record_is_refused():
    with pytest.raises(DataError, match="record 'r1' has no samples to draw"):
        draw_ecg(flat(("II",), seconds=0))


def test_what_speaks_for_is_orange_what_speaks_against_is_blue_and_nothing_is_paper():
    """A third of the sheet each, read from the pixels of the file."""
    from io import BytesIO

    from PIL import Image

    record = flat()
    relevance = np.zeros(record.n_samples)
    third = record.n_samples // 3
    relevance[:third], relevance[2 * third :] = 1.0, -1.0
    picture = Image.open(BytesIO(figure_png(draw_ecg(record, layout="rows", relevance=relevance), dpi=100))).convert("RGB")
    picture = np.asarray(picture).astype(int)
    across = np.linspace(0, 1, picture.shape[1])
    strips = [(across > low) & (across < high) for low, high in ((0.15, 0.3), (0.45, 0.6), (0.75, 0.9))]
    red, green, blue = np.stack([np.median(picture[:, strip].reshape(-1, 3), axis=0) for strip in strips]).T
    assert red[0] > green[0] > blue[0]
    assert min(red[1], green[1], blue[1]) > 210
    assert blue[2] > green[2] > red[2]


def test_the_legend_says_what_both_colours_mean_only_where_there_are_two():
    record = flat()

    def words(relevance) -> str:
        return " ".join(text.get_text() for text in draw_ecg(record, relevance=relevance).axes[0].texts)

    assert "relevance  0 – 1" in words(np.full(record.n_samples, 0.5))
    assert "relevance  against −1 – 1 for" in words(np.linspace(-1, 1, record.n_samples))

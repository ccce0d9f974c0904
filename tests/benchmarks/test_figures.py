"""Medians, spreads, failed runs and margins, and the page that is written from them."""

import pytest

from benchmarks import render, simulate
from benchmarks.figures import figure
from benchmarks.margins import margins
from benchmarks.parts import COPY, OURS, PATTERN, SIZES, parts


def result(**cases):
    return {"parts": [{"name": "relay", "cases": cases}]}


def runs(*figures):
    return [{"figures": found} if isinstance(found, dict) else {"error": found} for found in figures]


def test_a_figure_is_the_median_with_its_spread():
    found = figure(result(ours=runs({"a": {"b": 3}}, {"a": {"b": 1}}, {"a": {"b": 2000}})), "relay", "ours", "a.b")
    assert found.text() == "3 (1–2,000)"
    assert found.text(digits=1) == "3.0 (1.0–2,000.0)"


def test_failed_runs_stand_beside_good_ones():
    found = figure(result(ours=runs({"a": 1}, "no broker", {"a": 3})), "relay", "ours", "a")
    assert found.text() == "2 (1–3); 1 of 3 runs failed: no broker"


def test_where_all_failed_there_is_no_number():
    found = figure(result(ours=runs("no broker", "no broker")), "relay", "ours", "a")
    assert found.median is None
    assert found.text() == "2 of 2 runs failed: no broker"


def test_what_did_not_arrive_in_time_makes_a_lower_bound():
    late = {"latency": {"10": {"p50_ms": 5.0, "behind": 0}, "1000": {"p50_ms": 4000.0, "behind": 12}}}
    assert figure(result(ours=runs(late)), "relay", "ours", "latency.1000.p50_ms").text() == "≥ 4,000 (4,000–4,000)"
    assert figure(result(ours=runs(late)), "relay", "ours", "latency.10.p50_ms").text() == "5 (5–5)"


def test_what_was_not_measured_says_so():
    assert figure(result(), "relay", "ours", "a").text() == "not measured"
    assert figure({"parts": []}, "relay", "ours", "a").text() == "not measured"


@pytest.mark.parametrize(("theirs", "reached"), [(1000, True), (1001, False)])
def test_a_margin_is_the_ratio_of_the_medians(theirs, reached):
    measured = result(**{OURS: runs({"events_per_second": 10_000}), PATTERN: runs({"events_per_second": theirs})})
    first = next(margins(measured))
    assert PATTERN in first.what
    assert first.reached is reached


def test_a_margin_that_can_not_be_told_is_neither_reached_nor_missed():
    assert {margin.reached for margin in margins({"parts": []})} == {None}


@pytest.mark.parametrize("name", SIZES)
def test_each_line_of_the_table_names_what_is_measured(name):
    for part in parts(SIZES[name]):
        cases = {step.case for step in part.steps}
        used = {case for measure in part.measures for case, _ in measure.figures.values()}
        assert used == cases, part.name


def test_the_page_is_what_its_result_says():
    page = render.PAGE.read_text()
    assert render.written(page, render.cited(page)) == page, "Run: python -m benchmarks.render"


def test_the_simulation_is_what_the_cited_costs_say():
    page = simulate.PAGE.read_text()
    result = render.together(render.cited(render.PAGE.read_text()))
    assert simulate.written(page, result) == page, "Run: python -m benchmarks.simulate"


def test_the_page_cites_results_of_three_runs_with_what_stands_beside_ours():
    found = render.together(render.cited(render.PAGE.read_text()))
    assert found["runs"] >= 3
    assert {"relay", "bootstrap", "split", "sequencer", "stages", "reconcile"} <= {part["name"] for part in found["parts"]}
    lines = [line for _, rows in render.table(found) for line in rows]
    assert any(f"{COPY}: " in other for _, _, others in lines for other in others)

"""What a run of `make bench` leaves behind: the docs change only where that was asked for, and then all of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from benchmarks import publish, render, simulate
from benchmarks.parts import SIZES
from config.env import ROOT

PAGES = (render.PAGE, simulate.PAGE)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Both pages and the results in a folder laid out as the project's. The same costs are simulated once, which takes seconds;
    `test_figures.py` sees that the table depends on nothing else: there the project's own page has to come out again."""
    simulated = simulate.markdown

    @cache
    def table(*costs):
        return simulated(dict(costs))

    folder = tmp_path_factory.mktemp("project")
    docs, results = folder / "docs", folder / "benchmarks" / "results"
    docs.mkdir()
    shutil.copytree(render.RESULTS, results)
    for page in PAGES:
        shutil.copy(page, docs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "PAGE", docs / render.PAGE.name)
        patch.setattr(render, "RESULTS", results)
        patch.setattr(simulate, "PAGE", docs / simulate.PAGE.name)
        patch.setattr(simulate, "markdown", lambda found: table(*found.items()))
        yield folder


@pytest.fixture(scope="module")
def measured(copied):
    """A run of one part, with other costs than the cited ones."""
    cited = render.together(render.cited(render.PAGE.read_text()))
    part = next(one for one in cited["parts"] if one["name"] == "stages")
    for run in part["cases"]["ours"]:
        run["figures"]["relay"]["1"] *= 2
    file = copied / "2026-12-01T0000-default.json"
    file.write_text(json.dumps({**cited, "size": "default", "sizes": asdict(SIZES["default"]), "parts": [part]}))
    return file


def pages():
    return [page.read_text() for page in (render.PAGE, simulate.PAGE)]


@pytest.fixture(scope="module")
def published(measured):
    """That run, published: the pages before and after. The pages take seconds, for there is a simulation in one of them."""
    before = pages()
    publish.publish(measured)
    return before, pages()


def test_what_is_published_leaves_pages_that_agree_with_their_results(published):
    before, (benchmarks, scaling) = published
    assert benchmarks != before[0]
    assert scaling != before[1]
    assert render.written(benchmarks, render.cited(benchmarks)) == benchmarks
    assert simulate.written(scaling, render.together(render.cited(benchmarks))) == scaling


def test_parts_that_were_not_measured_keep_their_figures(published):
    before, after = (render.together(render.cited(benchmarks)) for benchmarks, _ in published)
    kept = lambda result: {one["name"]: one["cases"] for one in result["parts"] if one["name"] != "stages"}  # noqa: E731
    assert kept(after) == kept(before)
    assert "not measured" not in published[1][0]


def test_a_second_time_changes_nothing(published):
    publish.publish()
    assert pages() == published[1]


def test_where_one_page_can_not_be_made_none_is_written(measured):
    result = json.loads(measured.read_text())
    for run in result["parts"][0]["cases"]["ours"]:
        run["figures"] = {}
    lacking = measured.with_name("2026-12-02T0000-default.json")
    lacking.write_text(json.dumps(result))
    before = pages()
    with pytest.raises(SystemExit):
        publish.publish(lacking)
    assert pages() == before


@pytest.mark.parametrize("words", [["--tiny"], ["--runs", "2"]])
def test_what_has_no_figures_is_not_published(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--publish", "--results", str(tmp_path), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "python -m benchmarks: error: --publish needs figures: no --tiny, and --runs 3 at least.",
    )
    assert not list(tmp_path.iterdir())


def test_help_says_where_results_go():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "var/benchmarks/" in done.stdout
    assert Path("docs/benchmarks.md").name in done.stdout

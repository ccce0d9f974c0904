"""Every part of `make bench` at a size that says nothing about speed: all sides run, and each line of the table has its number."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.figures import figure
from benchmarks.parts import SIZES, parts
from benchmarks.surroundings import TEMPLATE, servers, templates
from config.env import ROOT

PARTS = parts(SIZES["tiny"])


@pytest.fixture(scope="module")
def environment():
    kept = {name: value for name, value in os.environ.items() if name not in {"DJANGO_SETTINGS_MODULE", "BENCH_BROKER_URL"}}
    if "TEST_POSTGRES_URL" in kept:
        kept["BENCH_POSTGRES_URL"] = kept["TEST_POSTGRES_URL"]
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(kept)
    try:
        with servers() as (postgres_url, broker_url), templates(postgres_url):
            yield {**kept, "BENCH_POSTGRES_URL": postgres_url, "BENCH_BROKER_URL": broker_url, TEMPLATE: os.environ[TEMPLATE]}
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.timeout(600)  # its alternatives run beside the other tracks of `make test`
@pytest.mark.parametrize("part", PARTS, ids=[part.name for part in PARTS])
def test_all_sides_of_a_part_run(part, environment, tmp_path):
    docs = {page: page.read_text() for page in (*(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks" / "results").iterdir())}
    words = ["--tiny", "--parts", part.name, "--runs", "1", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=570
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*-tiny.json")
    assert part.title in file.with_suffix(".md").read_text()
    result = json.loads(file.read_text())
    errors = {case: run["error"] for case, runs in result["parts"][0]["cases"].items() for run in runs if "error" in run}
    assert not errors, done.stdout + done.stderr
    for measure in part.measures:
        for who, (case, path) in measure.figures.items():
            found = figure(result, part.name, case, path)
            assert found.median is not None, f"{measure.what}: {who} has no {path}"
            assert measure.what in done.stdout.replace("\n", " ") or len(measure.what) > 20  # long ones are wrapped
    assert result["machine"]["cores"]
    assert all(number != "not installed" for number in result["machine"]["versions"].values()), result["machine"]["versions"]
    assert {page: page.read_text() for page in docs} == docs

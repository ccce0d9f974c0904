"""What the harness makes of measurements that succeed, fail, and never end."""

import json

from benchmarks import harness
from benchmarks.harness import Part, Step

SAYS = "tests.benchmarks.says"


def measured(*steps, runs=3):
    told: list[str] = []
    advanced: list[int] = []
    part = Part("some", "Some part", steps, ())
    result = harness.run(part, runs, told.append, lambda: advanced.append(1))
    assert len(told) == len(advanced) == harness.count([part], runs)
    return result.cases, told


def figures(runs):
    return [run.get("figures") for run in runs]


def test_each_round_has_every_side_one_after_another():
    cases, told = measured(Step("ours", (SAYS, '{"rows": 1}')), Step("theirs", (SAYS, '{"rows": 2}')), runs=2)
    assert figures(cases["ours"]) == [{"rows": 1}] * 2
    assert figures(cases["theirs"]) == [{"rows": 2}] * 2
    assert [what.partition(": ")[2] for what in told] == [
        "ours, run 1 of 2",
        "theirs, run 1 of 2",
        "ours, run 2 of 2",
        "theirs, run 2 of 2",
    ]


def test_a_side_that_does_all_runs_itself_is_started_once():
    said = json.dumps({"runs": [{"rows": 1}, {"rows": 2}]})
    cases, told = measured(Step("ours", (SAYS, said), once=True), runs=2)
    assert figures(cases["ours"]) == [{"rows": 1}, {"rows": 2}]
    assert len(told) == 1


def test_how_many_runs_is_said_to_a_side_that_does_them_itself():
    cases, _ = measured(Step("ours", (SAYS, '{"runs": [{"asked": {runs}}]}'), once=True), runs=3)
    assert figures(cases["ours"]) == [{"asked": 3}]


def test_a_failed_run_is_kept_with_its_error_and_the_rest_goes_on():
    cases, _ = measured(Step("theirs", (SAYS, '{"rows": 1}', "1")), Step("ours", (SAYS, '{"rows": 1}')), runs=2)
    assert [run["error"] for run in cases["theirs"]] == ["The relay didn't start."] * 2
    assert figures(cases["ours"]) == [{"rows": 1}] * 2


def test_what_fails_once_for_all_runs_fails_all_of_them():
    cases, _ = measured(Step("ours", (SAYS, "{}", "1"), once=True), runs=3)
    assert [run["error"] for run in cases["ours"]] == ["The relay didn't start."] * 3


def test_output_without_json_is_a_failure():
    cases, _ = measured(Step("ours", (SAYS, "done!")), runs=1)
    assert "error" in cases["ours"][0]


def test_what_never_ends_is_ended_as_by_ctrl_c(tmp_path):
    cases, _ = measured(Step("ours", (SAYS, "wait", str(tmp_path / "note")), limit=2), runs=1)
    assert cases["ours"] == [{"error": "not done within 2 s", "seconds": 2}]
    assert (tmp_path / "note").read_text() == "ended"

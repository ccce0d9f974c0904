"""The system checks pass on the project, and `manage.py check` fails with each planted violation."""

from pathlib import Path

from django.core.checks import run_checks

from walkthrough.control.project_copy import copy_project, plant, run


def test_the_project_has_no_findings() -> None:
    assert run_checks(tags=["boundaries"]) == []


def test_manage_py_check_rejects_each_planted_violation(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    clean = run("python", "manage.py", "check", project=project)
    assert clean.returncode == 0, clean.stderr

    plant(project, "billing/selectors.py", 'def peek():\n    return __import__("users.models")')
    plant(project, "billing/models.py", 'class Planted(models.Model):\n    user = models.ForeignKey("users.User", models.CASCADE)')
    done = run("python", "manage.py", "check", project=project)

    assert done.returncode == 1
    assert "billing.Planted.user: (boundaries.E001)" in done.stderr
    assert "(boundaries.E002) billing/selectors.py:" in done.stderr
    assert done.stderr.count("HINT:") == clean.stderr.count("HINT:") + 2, done.stderr

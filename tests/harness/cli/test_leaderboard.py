from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finished_runs import write_run

from harness.boards import rejudge as board_rejudge
from harness.cli.leaderboard import leaderboard
from harness.errors import HarnessError, MissingData, UserError

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: `runs` and `leaderboards` are those below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


@pytest.fixture
def judged_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are judged again as `write_run` judged them: with 200 draws and no word of few recordings."""
    for name, value in {"DRAWS": 200, "few_clusters": lambda *_: []}.items():
        monkeypatch.setattr(board_rejudge, name, value)


def board(*words: str) -> Result:
    return CliRunner().invoke(leaderboard, words, catch_exceptions=False)


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tables_are_written_and_shown(make_run: MakeRun, here: Path):
    make_run("official", "fold-1")
    done = board()
    assert sorted(written(here / "leaderboards")) == ["README.md", "demo/expr.linear.md", "demo/expr.md"]
    assert "demo, official: P" in done.stdout
    assert "linear" in done.stdout
    assert "3 tables in leaderboards, 3 changed" in done.stderr
    assert "no published scores: there is no leaderboards/published.csv here" in done.stderr


@pytest.mark.usefixtures("judged_as_written")
def test_again_gives_the_same_bytes_and_check_agrees(make_run: MakeRun, here: Path):
    board("--add", str(make_run("official", "fold-1")), "--format", "md,csv,latex,json")
    first = written(here / "leaderboards")
    assert sum(path.startswith("demo/") for path in first) == 8
    assert "7 tables" not in board("--format", "md,csv,latex,json").stderr
    assert written(here / "leaderboards") == first
    assert "tables in leaderboards are those of the rows" in board("--check", "--format", "md,csv,latex,json").stderr


@pytest.mark.usefixtures("judged_as_written")
def test_check_reads_no_runs_unless_told_and_names_what_differs(make_run: MakeRun, here: Path):
    board("--add", str(make_run("official")))
    make_run("official", system="mine", run="r2")
    board("--check")
    with pytest.raises(HarnessError, match=r"demo/expr\.md \(different\), demo/expr\.mine\.md \(missing\)") as error:
        board("--check", "--runs", "runs")
    assert error.value.exit_code == 1
    (here / "leaderboards/demo/expr.md").write_bytes(b"")
    with pytest.raises(HarnessError, match=r"1 of 3 tables in leaderboards differ: demo/expr\.md \(different\)"):
        board("--check")


def test_tables_of_systems_that_are_gone_are_removed(make_run: MakeRun, here: Path):
    run = make_run("official")
    make_run("official", system="kept", run="r2")
    board()
    for file in run.iterdir():
        file.unlink()
    board()
    assert sorted(written(here / "leaderboards")) == ["README.md", "demo/expr.kept.md", "demo/expr.md"]


def test_one_data_set_alone_leaves_the_others_and_the_readme(make_run: MakeRun, here: Path):
    make_run("official")
    make_run("official", run="r2", data={"name": "aff-wild2"})
    board("--data", "aff-wild2")
    assert sorted(written(here / "leaderboards")) == ["aff-wild2/expr.linear.md", "aff-wild2/expr.md"]
    with pytest.raises(UserError, match=r"No data set on these boards is called 'affwild2'. Did you mean 'aff-wild2'"):
        board("--data", "affwild2")


def test_another_split(make_run: MakeRun, here: Path):
    make_run("official", "fold-1")
    assert "demo, fold-1: P" in board("--split", "fold-1").stdout
    assert sorted(written(here / "leaderboards")) == ["demo/fold-1/expr.md"]
    with pytest.raises(UserError, match="No split of a leaderboard is called 'test'"):
        board("--split", "test")
    with pytest.raises(MissingData, match="No rows of split 'fold-2'; there are rows of fold-1, official"):
        board("--split", "fold-2")


def test_rows_that_cannot_be_told_apart_share_a_letter(make_run: MakeRun, here: Path):
    for run in ("one", "two"):
        make_run(system=run, run=run)
    assert board().stdout.count("] a ") == 2
    text = (here / "leaderboards/demo/expr.md").read_text()
    assert "| system | profile | seed | tie | best | P (F1, %) |" in text
    assert "- Tie: rows that share a letter cannot be told apart" in text


def test_several_seeds_are_one_more_row(make_run: MakeRun, here: Path):
    for seed in (0, 1):
        make_run(run=f"r{seed}", seed=seed)
    assert "2 seeds" in board().stdout
    assert "| linear | demo | 2 seeds |" in (here / "leaderboards/README.md").read_text()


def test_rows_are_chosen_by_contamination(make_run: MakeRun, here: Path):
    make_run(system="clean", run="r1", contamination={"verdict": "held-out", "saw": [], "not_told": []})
    make_run(system="seen", run="r2", contamination={"verdict": "in-sample", "saw": ["demo"], "not_told": []})
    make_run(system="old", run="r3")  # a row from before rows said it
    board()
    before = written(here / "leaderboards")
    assert b"| unknown | run r3 |" in before["demo/expr.md"]
    done = board("--contamination", "held-out,unknown")
    assert "clean" in done.stdout
    assert "seen" not in done.stdout
    assert "left out: 1 rows of official, not held-out or unknown" in done.stderr
    assert "nothing is written" in done.stderr
    assert written(here / "leaderboards") == before
    board("--contamination", "held-out", "--out", "chosen")
    made = written(here / "chosen")
    assert sorted(made) == ["demo/expr.clean.md", "demo/expr.md"]
    assert b"A choice of rows: those whose contamination is held-out." in made["demo/expr.md"]
    with pytest.raises(UserError, match="Did you mean 'held-out'"):
        board("--contamination", "heldout")
    with pytest.raises(UserError, match="are about all of them"):
        board("--contamination", "held-out", "--check")


def test_partial_rows_are_said_and_kept_off(make_run: MakeRun, here: Path):
    make_run("official")
    make_run("official", run="r2", system="trial", partial="limited to 3 videos a part")
    assert "left out: 1 row partial" in board().stderr
    assert not any(b"trial" in content for content in written(here / "leaderboards").values())


def test_with_no_row_at_all_it_says_how_to_run_one():
    with pytest.raises(MissingData, match="harness run --plugin netease_abaw6 --task expr"):
        board()


def test_published_scores_alone_make_boards(here: Path, repository: Path):
    done = board("--published", str(repository / "leaderboards" / "published.csv"))
    assert "aff-wild2/va.netease_abaw6.md" in written(here / "leaderboards")
    assert "No run stands here yet" in done.stderr
    with pytest.raises(MissingData, match=r"No published scores at gone\.csv"):
        board("--published", "gone.csv")


def test_unknown_formats_are_refused(make_run: MakeRun):
    make_run()
    with pytest.raises(UserError, match="No format of a leaderboard is called 'html'"):
        board("--format", "md,html")
    with pytest.raises(UserError, match="No format of a leaderboard is called ''"):
        board("--format", ",")


def test_names_of_plugins_reach_the_terminal_as_they_are(make_run: MakeRun):
    make_run(system="a[b]|c")
    assert "a[b]|c" in board().stdout


def test_what_is_committed_has_no_row_of_ones_own(make_run: MakeRun, here: Path):
    make_run("official", system="mine", run="r2")
    board("--add", str(make_run("official")))
    committed = written(here / "leaderboards")
    assert "demo/expr.mine.md" not in committed
    board()
    assert "demo/expr.mine.md" in written(here / "leaderboards")
    board("--no-runs")
    assert written(here / "leaderboards") == committed


def test_add_says_what_it_did(make_run: MakeRun, here: Path):
    done = board("--add", str(make_run(command="harness run --runs /home/me/runs")))
    assert "2 files copied into leaderboards/records" in done.stderr
    assert "look before you commit" in done.stderr
    row = json.loads((here / "leaderboards/records/demo/expr/linear@demo/official.json").read_text())
    assert row["run"] == "run0"


def test_the_committed_boards_are_those_of_the_committed_rows(repository: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(repository)
    assert "are those of the rows" in board("--check").stderr


def test_the_module_is_light():
    heavy = ("numpy", "rich", "torch", "pandas")
    code = f"import sys, harness.cli.leaderboard, harness.cli.compare; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rows_that_are_not_what_their_statistics_give_fail_the_check_until_judged_again(make_run: MakeRun, here: Path):
    board("--add", str(make_run("official")))
    told = r"1 of 1 rows are not what their statistics give: .*official\.json: score\."
    with pytest.raises(HarnessError, match=told):
        board("--check")
    assert "judged again: leaderboards/records/demo/expr/linear@demo/official.json" in board("--rejudge").stderr
    assert "1 of 1 rows are what their statistics give" in board("--check").stderr


def test_a_page_of_every_split_is_written_where_it_is_asked_for(make_run: MakeRun, here: Path):
    make_run("official", "fold-1", system="strong", run="r1", skill=0.9)
    (make_run("official", system="weak", run="r2", skill=0.1) / "report.html").write_text("")
    done = board("--html", "site")
    assert f"page in {Path('site/index.html')}" in done.stderr
    page = (here / "site/index.html").read_text()
    assert "Split fold-1" in page
    assert page.count('class="tie" data-value="a"') == 2  # three recordings tell nothing apart
    assert '<a href="../runs/expr/weak%40demo/r2/report.html">' in page


def test_a_page_of_a_choice_of_rows_has_those_alone(make_run: MakeRun, here: Path):
    make_run("official", system="mine", run="r1")
    make_run("official", run="r2", data={"name": "aff-wild2"})
    board("--html", "site", "--data", "demo")
    page = (here / "site/index.html").read_text()
    assert "mine" in page
    assert "aff-wild2" not in page
    with pytest.raises(MissingData, match="No rows of split 'folds-mean'"):
        board("--html", "elsewhere", "--split", "folds-mean")
    assert not (here / "elsewhere").exists()


def test_a_check_writes_no_page(make_run: MakeRun):
    make_run("official")
    with pytest.raises(UserError, match="--check writes nothing: leave out --html"):
        board("--check", "--html", "site")

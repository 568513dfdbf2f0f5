"""Nothing under test may know how the demo world is made: the files are all it gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from abaw6.demo import write
from abaw6.demo.write import Sizes

WITHOUT_GENERATOR = """
import sys
from pathlib import Path
import abaw6
abaw6.__path__ = [sys.argv[1]]
assert not Path(sys.argv[1], "demo").exists()
from harness.cli import main
main(sys.argv[2:])
"""


@pytest.mark.slow
def test_a_run_needs_the_written_files_alone(tmp_path: Path, repository: Path) -> None:
    """The generator's package is gone from the path; every stage of the bundle runs, its score is written."""
    world = write.write("aff-wild2", tmp_path / "world", workers=1, sizes=Sizes(18, 6, 2, (0.6, 0.7)))
    readers = tmp_path / "abaw6"
    readers.mkdir()
    for path in (repository / "tasks" / "abaw6").iterdir():
        if path.name != "demo":
            (readers / path.name).symlink_to(path)
    quick = ["encoders.image.weights=random", "adapt.image.epochs=1", "adapt.audio.epochs=1", "fit.epochs=1"]
    words = ["run", "--plugin", "netease_abaw6", "--task", "expr", "--data", f"aff-wild2={world}", "--json"]
    words += [word for one in quick for word in ("--set", one)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GENERATOR, str(readers), *words],
        cwd=tmp_path, env={**os.environ, "HARNESS_CACHE": str(tmp_path / "cache")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert row["score"]["P"]["value"] > 0
    assert row["data"]["name"] == "demo"

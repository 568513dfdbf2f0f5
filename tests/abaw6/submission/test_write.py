from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abaw6.submission import read
from abaw6.submission.check import check
from abaw6.submission.fill import fill
from abaw6.submission.form import FORMS
from abaw6.submission.run import read_run
from abaw6.submission.template import read_template
from abaw6.submission.write import content, shortest


def test_the_whole_file(make_template) -> None:
    template = read_template(make_template("va", "v/00002.jpg", "v/00001.jpg"), FORMS["va"])
    decision_RL = np.array([[0.1, -0.25], [1, -0.0]], np.float32)
    assert content(template, decision_RL) == (
        b"image_location,valence,arousal\nv/00002.jpg,0.1,-0.25\nv/00001.jpg,1.0,0.0\n"
    )


@pytest.mark.parametrize("task", FORMS)
def test_a_run_comes_back_as_it_was_decided(make_run, scores_for, make_template, tmp_path, task: str) -> None:
    form, frame_level = FORMS[task], FORMS[task].task.level == "frame"
    sizes = {"00001": 5, "00002": 3} if frame_level else {"00001": 1, "00002": 1}
    scores = {name: scores_for(task, rows, seed) for seed, (name, rows) in enumerate(sizes.items())}
    names = [f"{video}/{i + 1:05d}.jpg" if frame_level else video for video in sizes for i in range(sizes[video])]
    template = read_template(make_template(task, *reversed(names)), form)
    written = content(template, fill(template, read_run(make_run(task, scores), "test")).decision_RL)
    assert check(written, form, template) == []
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / form.file_name).write_bytes(written)
    back = {one.video: one for one in read(tmp_path / "sent", form.task).videos}
    for video, scores_RL in scores.items():
        decided_RL = form.task.kind.decide(scores_RL)
        np.testing.assert_array_equal(back[video].scores_NL[::-1], decided_RL)


@settings(deadline=None)
@given(st.floats(-1, 1, width=32))
def test_numbers_read_back_as_they_were(value: float) -> None:
    text = shortest(np.float32(value))
    assert "e" not in text
    assert np.float32(text) == np.float32(value)

from __future__ import annotations

from abaw6.specs import TASKS


def test_five_tracks_with_their_labels_metric_and_reader() -> None:
    facts = {name: (len(t.labels), t.kind.metric, t.level, t.reader) for name, t in TASKS.items()}
    assert facts == {
        "va": (2, "ccc", "frame", "aff-wild2"),
        "expr": (8, "f1", "frame", "aff-wild2"),
        "au": (12, "f1", "frame", "aff-wild2"),
        "ce": (7, "f1", "frame", "c-expr"),
        "emi": (6, "pearson", "video", "hume-vidmimic2"),
    }
    assert (TASKS["va"].kind.low, TASKS["va"].kind.high) == (-1.0, 1.0)
    assert (TASKS["emi"].kind.low, TASKS["emi"].kind.high) == (0.0, 1.0)
    assert [name for name, task in TASKS.items() if "text" in task.modalities] == ["emi"]


def test_labels_stand_in_the_official_order() -> None:
    assert TASKS["va"].labels == ("valence", "arousal")
    assert ",".join(TASKS["expr"].labels) == "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
    assert ",".join(TASKS["au"].labels) == "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
    assert TASKS["ce"].labels[0] == "Fearfully Surprised"
    assert TASKS["ce"].labels[6] == "Sadly Angry"
    assert TASKS["emi"].labels[3] == "Empathic Pain"

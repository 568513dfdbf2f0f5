"""The five tracks of the 6th ABAW competition, each as a literal. P is the mean over labels."""

from __future__ import annotations

from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.types import TaskSpec

REFERENCE = "Kollias et al., The 6th Affective Behavior Analysis in-the-wild (ABAW) Competition, CVPR Workshops 2024"

VA = TaskSpec(
    name="va",
    title="Valence-arousal estimation",
    reader="aff-wild2",
    labels=("valence", "arousal"),
    kind=continuous("ccc", -1.0, 1.0),
    level="frame",
    modalities=("image", "audio"),
    version=1,
    reference=REFERENCE,
)

EXPR = TaskSpec(
    name="expr",
    title="Expression recognition",
    reader="aff-wild2",
    labels=("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other"),
    kind=ONE_OF,
    level="frame",
    modalities=("image", "audio"),
    version=1,
    reference=REFERENCE,
)

AU = TaskSpec(
    name="au",
    title="Action unit detection",
    reader="aff-wild2",
    labels=("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26"),
    kind=ANY_OF,
    level="frame",
    modalities=("image", "audio"),
    version=1,
    reference=REFERENCE,
)

CE = TaskSpec(
    name="ce",
    title="Compound expression recognition",
    reader="c-expr",
    labels=(
        "Fearfully Surprised",
        "Happily Surprised",
        "Sadly Surprised",
        "Disgustedly Surprised",
        "Angrily Surprised",
        "Sadly Fearful",
        "Sadly Angry",
    ),
    kind=ONE_OF,
    level="frame",
    modalities=("image", "audio"),
    version=1,
    reference=REFERENCE,
)

EMI = TaskSpec(
    name="emi",
    title="Emotional mimicry intensity estimation",
    reader="hume-vidmimic2",
    labels=("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy"),
    kind=continuous("pearson", 0.0, 1.0),
    level="video",
    modalities=("image", "audio", "text"),
    version=1,
    reference=REFERENCE,
)

TASKS = {task.name: task for task in (VA, EXPR, AU, CE, EMI)}

"""C-EXPR-DB for the CE track. The official data set has test videos alone, so labels to train with come from

(a) videos labelled in the Aff-Wild2 file layout: `CE_Recognition_Challenge/{Train_Set,Validation_Set}/<video>.txt`,
(b) the compound part of RAF-DB below the same root (see `rafdb_compound`): single images; for training only where (a)
    is there too, else its own train and test parts are the two sides.
"""

from __future__ import annotations

import re
from pathlib import Path

from abaw6 import rafdb_compound
from abaw6.affwild2 import AffWild2, Survey
from abaw6.layout import Labels, find_labels, find_media
from abaw6.view import FolderView, view_of
from harness.errors import MissingData
from harness.types import Floats, Video


class CExpr(AffWild2):
    """A reader of the CE track below `root`."""

    def targets(self, video: Video) -> Floats:
        """target_RL of one video or image, read now; all NaN for a test video."""
        compound = self._compound() if video.id.startswith(rafdb_compound.PREFIX) else None
        if compound is not None:
            return rafdb_compound.target(compound, video, self._task.labels)
        return super().targets(video)

    def image_counts(self) -> dict[str, int]:
        """Image files by video id; 1 for each RAF-DB image."""
        compound = self._compound()
        stills = rafdb_compound.paths(compound) if compound else {}
        return super().image_counts() | dict.fromkeys(stills, 1)

    def view(self) -> FolderView:
        """A new view; it shares no object with this reader."""
        compound = self._compound()
        return view_of(find_media(self._root), stills=rafdb_compound.paths(compound) if compound else {})

    def _compound(self) -> rafdb_compound.Compound | None:
        return rafdb_compound.find(self._root)

    def videos(self) -> tuple[Video, ...]:
        """Every video and image of every side, sorted by (side, id). Raises MissingData where there is none at all."""
        found = super().videos()
        if not found:
            raise MissingData(self.how_to_train())
        return found

    def how_to_train(self) -> str:
        """What to say where no video has labels to train with: the three ways, each with its command."""
        return (
            f"{self._root} holds no labelled videos for CE, and C-EXPR-DB itself has none. Three ways: "
            "(1) label videos in the Aff-Wild2 layout, 'CE_Recognition_Challenge/{Train_Set,Validation_Set}/"
            "<video>.txt', then harness run --plugin netease_abaw6 --task ce; (2) train on RAF-DB's compound part: "
            "harness run --plugin netease_abaw6:ce_rafdb --task ce --split test --data raf-db-compound=PATH; "
            "(3) zero-shot from a finished EXPR run: harness run --plugin netease_abaw6:ce_zero_shot --task ce "
            "--split test --set components.run=runs/expr/SYSTEM/RUN"
        )

    def _labels(self) -> Labels:
        return find_labels(self._root, self._task.name)

    def _label_paths(self, labels: Labels) -> list[Path]:
        compound = self._compound()
        return super()._label_paths(labels) + ([compound.labels] if compound else [])

    def _media_folders(self) -> set[str]:
        compound = self._compound()
        return super()._media_folders() | {str(path) for path in (compound.images if compound else ())}

    def _collect(self, labels: Labels, survey: Survey) -> None:
        super()._collect(labels, survey)
        if labels.test_list is None:
            taken = survey.groups()
            for name in survey.raw:
                if re.fullmatch(r"\d{1,2}", name) and name not in taken:  # 01 .. 56
                    survey.add(name, "test", None)
        compound = self._compound()
        if compound is not None:
            survey.take(rafdb_compound.videos(compound, self._task.labels, all_train=bool(labels.folders)))

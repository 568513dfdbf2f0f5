"""The paper's method as one literal. Read it beside sections 3 and 4.3; `source` says where each choice comes from."""

from __future__ import annotations

from harness.types import Component, Pipeline, Recipe

NETEASE_ABAW6 = Pipeline(
    name="netease_abaw6",
    title="Affective Behaviour Analysis via Integrating Multi-Modal Knowledge",
    reference="arXiv:2403.10825 (Zhang et al., Netease Fuxi AI Lab, ABAW6 at CVPR 2024)",
    # 3.1 Feature Extraction Encoder. Faces are 224 x 224 (4.3), found by RetinaFace or cropped by the data set.
    encoders={
        "image": Component(
            "mae_vit_b",
            {
                "weights": "mae_face_pretrain_vit_base.pth",  # the same lab's public face MAE
                "width": 768,
                "depth": 12,
                "heads": 12,
                "patch": 16,
                "image": 224,
                "drop_path": 0.1,
                "pretrain_epochs": 800,
                "pretrain_batch": 4096,
            },
            source="paper 3.1",
        ),
        "audio": Component("vggish", {"weights": "vggish-10086976.pth"}, source="paper 3.1"),
        "text": Component("text_lora", {}, source="paper 3.1"),
    },
    # 3.4 Objectives for Image Encoder: fine-tuned for each task and split with Eq. 1, 2 or 4; numbers are not given.
    adapt={
        "image": Recipe(
            epochs=10,
            lr=5e-4,
            batch=64,
            weight_decay=0.05,
            warmup=0.1,
            samples_per_epoch=50_000,
            layer_decay=0.75,
            source="ours",
        ),
    },
    # 3.2 Transformer-based Multi-modal Fusion: [T visual; 1 audio; 1 text] tokens, encoders fixed.
    fusion=Component(
        "transformer_4x",
        {"layers": 4, "dropout": 0.3, "width": 256, "heads": 4, "feedforward": 128},
        source="paper 3.2",
    ),
    # 4.3: AdamW 1e-4 on clips of 100 frames (`TaskSpec.clip_frames`); epochs and batch are not given.
    fit=Recipe(epochs=20, lr=1e-4, batch=32, weight_decay=0.05, warmup=0.1, source="paper 4.3"),
    # 3.3 Ensemble Learning: one classifier per scene, then a vote.
    partition=Component("scenes", {"k": 4, "descriptor": "offline", "components": 16, "frames": 5}, source="paper 3.3"),
    vote="majority",
    # 3.4 Objectives for Fusion Model: faceless frames take a neighbour, then Eq. 5.
    fill_faces="nearest",
    postprocess=Component("gaussian", source="paper 3.4"),
    order="vote-smooth",
    # What differs by task. 4.3 names temporal, audio "and other" information; 3.1: only EMI has a transcript.
    tasks={
        "au": {"encoders.text": None, "vote": "majority", "postprocess": "gaussian"},
        "expr": {"encoders.text": None, "vote": "majority", "postprocess": "gaussian"},
        "va": {"encoders.text": None, "vote": "mean", "postprocess": "gaussian"},
        "ce": {"encoders.text": None, "vote": "majority", "postprocess": "none"},
        "emi": {"vote": "mean", "postprocess": "none"},
    },
    profiles={
        "paper": {},
        # The same classes, narrower and shorter, so that two cores are enough (ours throughout).
        "demo": {
            "encoders.image.weights": "data:demo-pretrain",
            "encoders.image.width": 96,
            "encoders.image.depth": 4,
            "encoders.image.heads": 4,
            "encoders.image.patch": 8,
            "encoders.image.image": 64,
            "encoders.image.drop_path": 0.0,
            "encoders.image.pretrain_epochs": 20,
            "encoders.image.pretrain_batch": 64,
            "encoders.image.pretrain_lr": 3e-3,
            "encoders.image.pretrain_warmup": 2,
            "encoders.image.decoder_width": 48,
            "encoders.image.decoder_depth": 1,
            "encoders.image.decoder_heads": 4,
            "adapt.image.epochs": 4,
            "adapt.image.lr": 1e-3,
            "adapt.image.samples_per_epoch": 6_000,
            "fit.epochs": 15,
            "fit.lr": 1e-3,
            "fusion.width": 64,
            "partition.k": 4,
        },
    },
)

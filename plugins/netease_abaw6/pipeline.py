"""The paper's method as one literal. Read it beside sections 3 and 4.3; `source` says where each choice comes from.

"paper N" is stated there, "lab code" is in published code of the same lab, "ours" is a choice the paper leaves open.
"""

from __future__ import annotations

from harness.types import Component, Extra, Pipeline, Recipe

NETEASE_ABAW6 = Pipeline(
    name="netease_abaw6",
    title="Affective Behaviour Analysis via Integrating Multi-Modal Knowledge",
    reference="Zhang et al., Netease Fuxi AI Lab, 6th ABAW at CVPR 2024, arXiv:2403.10825",
    # 3.1 Feature Extraction Encoder, on faces of 224 x 224 (4.3).
    encoders={
        "image": Component(
            "mae_vit_b",
            {
                "weights": "mae_face_pretrain_vit_base.pth",  # the lab's public face MAE; its 262 M images are private
                "width": 768,
                "depth": 12,
                "heads": 12,
                "patch": 16,
                "image": 224,
                "drop_path": 0.1,
                "pool": "tokens",  # a fully connected layer at the end of the encoder (3.1)
                "narrow": 32,
                "pretrain_epochs": 800,
                "pretrain_batch": 4096,
            },
            source="paper 3.1",
        ),
        "audio": Component("vggish", {"weights": "vggish-10086976.pth", "hop": 0.96}, source="paper 3.1"),
        "text": Component(
            "text_lora",
            {"model": None, "rank": 8, "alpha": 16, "dropout": 0.1, "concat_plain": True},  # no base model is named
            source="paper 3.1",
        ),
    },
    # 3.4 Objectives for Image Encoder: fine-tuned for each task with Eq. 1, 2 or 4; VGGish is used as it is (3.1).
    adapt={
        "image": Recipe(
            epochs=10,
            lr=5e-4,
            batch=64,
            samples_per_epoch=50_000,
            layer_decay=0.75,
            label_weights="frequency",  # W of Eq. 1 and 2
            crop=0.64,  # "crop data augmentation" (3.4); one that loses the face is refilled from its neighbours
            colour=0.2,
            erase=0.25,
            source="ours, crop from paper 3.4",
        ),
        "text": Recipe(epochs=5, lr=1e-4, batch=16, weight_decay=0.0, source="ours"),
    },
    # 3.2 Transformer-based Multi-modal Fusion: [T visual; 1 audio; 1 text], the encoders fixed.
    fusion=Component(
        "transformer_4x",
        {"layers": 4, "dropout": 0.3, "width": 256, "heads": 4, "feedforward": 128, "positions": "none"},
        source="paper 3.2, widths from lab code",
    ),
    # 4.3 Implementation Setting: AdamW 1e-4 on clips of 100 frames (`TaskSpec.clip_frames`).
    fit=Recipe(epochs=20, lr=1e-4, batch=32, weight_decay=0.05, source="paper 4.3, batch from lab code, epochs ours"),
    # 3.3 Ensemble Learning: a classifier for each scene, then a vote.
    partition=Component(
        "scenes",
        {"k": 4, "descriptor": "offline", "components": 16, "frames": 5, "minimum": 3},
        source="paper 3.3, descriptor and number ours",
    ),
    vote="majority",
    # 3.4 Objectives for Transformer-based Fusion Model: faceless frames take a neighbour, then Eq. 5.
    fill_faces="nearest",
    postprocess=Component("gaussian", {"sigmas": "0,1,2,4,8,16"}, source="paper 3.4, sigmas ours"),
    order="vote-smooth",
    # What differs by task. Only EMI has a transcript (3.1); Eq. 5 refines AU, EXPR and VA (3.4). BP4D supplements "some
    # of the limited AU categories", RAF-DB and AffectNet "the Anger, Disgust, and Fear data" (4.2).
    tasks={
        "au": {
            "encoders.text": None,
            "adapt.text": None,
            "vote": "majority",
            "extra_train.bp4d": Extra(
                "bp4d", labels="AU1,AU2,AU15,AU23,AU24", stages="adapt,fit", source="paper 4.2, which AUs ours"
            ),
        },
        "expr": {
            "encoders.text": None,
            "adapt.text": None,
            "vote": "majority",
            "extra_train.raf-db": Extra("raf-db", labels="Anger,Disgust,Fear", source="paper 4.2"),
            "extra_train.affectnet": Extra("affectnet", labels="Anger,Disgust,Fear", source="paper 4.2"),
        },
        "va": {"encoders.text": None, "adapt.text": None, "vote": "mean"},
        "ce": {
            "encoders.text": None,
            "adapt.text": None,
            "vote": "majority",
            "postprocess": Component("none", source="paper 3.4"),
        },
        "emi": {"vote": "mean", "postprocess": Component("none", source="paper 3.4")},
    },
    profiles={
        "paper": {},
        # The same classes, narrower and shorter, so that two cores are enough (ours throughout). An untrained VGGish
        # and an untrained text model must be adapted to be of use.
        "demo": {
            "extra_train": None,
            "encoders.image.weights": "data:demo-pretrain",
            "encoders.image.width": 64,
            "encoders.image.depth": 2,
            "encoders.image.heads": 2,
            "encoders.image.patch": 8,
            "encoders.image.image": 64,
            "encoders.image.drop_path": 0.0,
            "encoders.image.pretrain_epochs": 12,
            "encoders.image.pretrain_batch": 16,  # 5,000 images: small networks need many steps more than large batches
            "encoders.image.pretrain_lr": 4e-2,
            "encoders.image.pretrain_warmup": 1,
            "encoders.image.pretrain_crop": 1.0,
            "encoders.image.decoder_width": 64,
            "encoders.image.decoder_depth": 1,
            "encoders.image.decoder_heads": 2,
            "encoders.audio.weights": "random",
            "encoders.audio.width": 0.125,
            "encoders.audio.embedding": 64,
            "encoders.text.model": "tiny-random",
            "encoders.text.max_tokens": 64,
            "adapt.image": Recipe(
                epochs=5, lr=1e-3, batch=16, samples_per_epoch=4_000, augment=0.2, label_weights="root", source="ours"
            ),
            "adapt.audio": Recipe(epochs=12, lr=1e-3, batch=32, label_weights="root", source="ours"),
            "adapt.text": Recipe(epochs=20, lr=1e-3, batch=16, source="ours"),
            "fusion.width": 64,
            "fusion.heads": 2,
            "partition.k": 2,  # 44 recordings to train on: four parts would leave 11 to each classifier
            "fit.epochs": 10,
            "fit.lr": 3e-3,
            "fit.batch": 4,
            "fit.label_weights": "root",
        },
        # Eq. 4 and Pearson need more rows in a batch than cross-entropy does.
        "demo:va": {"fit.batch": 8, "fit.epochs": 40},
        # 162 short clips: an image encoder that learns them freely knows their people by heart (Pearson 0.87 on them,
        # 0.10 on others), and the fusion then trusts faces over voice and words. So it learns little and slowly.
        "demo:emi": {
            "encoders.image.pool": "avg",
            "adapt.image": Recipe(epochs=3, lr=1e-4, batch=64, samples_per_epoch=4_000, source="ours"),
            "fit.batch": 8,
            "fit.epochs": 40,
        },
    },
)

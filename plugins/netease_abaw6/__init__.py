"""Affective Behaviour Analysis via Integrating Multi-Modal Knowledge (Netease Fuxi, ABAW6, 2024) as one bundle.

`netease_abaw6.plugin` says what the bundle provides, `netease_abaw6.pipeline` how the parts make the paper's method.
"""

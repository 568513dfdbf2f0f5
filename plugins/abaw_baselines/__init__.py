"""Simple methods every paper is compared with: training prior, linear models, one fusion without scenes."""

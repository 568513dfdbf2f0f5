"""Pages people look at: one run's report and the board, each one HTML file that needs nothing else.

`environment` renders templates; `svg` and `charts` draw; `evidence` reads what a run left and, where the data is there,
the truth; `report` and `board` say what stands on a page.
"""

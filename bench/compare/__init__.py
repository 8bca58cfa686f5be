"""Whether one version is worse than another: of stored runs, and of launches in turn.

Runs are read through `denoisebench.report.results`; methods run in processes of ``bench run``.
"""

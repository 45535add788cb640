"""Networks on a table: a few of one architecture, bagged by folds, that answer as one.

`train` is what the estimators for tables and the command line call; rows are already numbers.
"""

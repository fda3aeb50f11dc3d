"""Tables in files: CSV, TSV and Parquet, what their columns are, their values, and the inputs of a network they become.

Imports ``schema`` and, of ``own``, the modules beside this package that are not images or arrays.
"""

"""Pure: DataFrames and values in, DataFrames and values out."""

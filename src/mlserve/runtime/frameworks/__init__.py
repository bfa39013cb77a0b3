"""What processors know of the libraries behind them: how files are read, rows laid out, and what in them runs code."""

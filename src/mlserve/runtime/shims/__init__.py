"""Processors written for other servers (EAS's allspark, KServe), and plain functions, run here as they are."""

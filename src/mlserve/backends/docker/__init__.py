"""Instances as containers of a Docker engine, on this machine or elsewhere. The SDK is loaded upon the first use."""

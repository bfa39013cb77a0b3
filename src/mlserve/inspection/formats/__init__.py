"""The formats that can be looked into: one file each, found by being here."""

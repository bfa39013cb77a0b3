"""The request formats, one file each: bodies to arrays, arrays to bodies."""

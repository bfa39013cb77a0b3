"""Starts a Triton server inside an instance. Standard library only, and nothing else of mlserve: it runs in any image.

``python -m mlserve.triton ARGUMENTS`` finds the server, gives it its backends, leaves a watcher behind that tells the
backend what became of the models, and then becomes the server: its signals and exit status are the program's own.
"""

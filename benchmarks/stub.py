"""The smallest program that can be an instance: answers everything with 200."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=16)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")

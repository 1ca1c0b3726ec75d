"""HTTPS as a script would speak it: usage: fetch.py ROOT ADDRESS PORT PATH NAME...

Asks the server at ADDRESS for PATH by each NAME, as if each resolved to it, trusting ROOT alone and as strictly as
Python does from 3.13 on. Prints a line for each: `accepted`, or what was said against it. Standard library only.
"""

import socket
import ssl
import sys
import urllib.error
import urllib.request

root, address, port, path, *names = sys.argv[1:]
context = ssl.create_default_context(cafile=root)
context.verify_flags |= ssl.VERIFY_X509_STRICT
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve(address, *rest, **more)
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

for name in names:
    try:
        with direct.open(f"https://{name}:{port}{path}", timeout=10) as answer:
            answer.read()
            print("accepted")
    except urllib.error.URLError as error:
        print(error.reason)

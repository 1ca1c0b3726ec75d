"""TLS handshakes in memory: usage: handshake.py ROOT CERT KEY NAME...

A client that trusts ROOT alone asks for each NAME in turn; a server presents CERT (leaf, then its issuers) with KEY.
Prints a line for each: `accepted`, or what the client said against it. Standard library only.
"""

import ssl
import sys

root, cert, key, *names = sys.argv[1:]
client = ssl.create_default_context(cafile=root)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(cert, key)


def handshake(name):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    # Each round hands the other side's bytes on; TLS 1.3 needs two, and more than four means that it hangs.
    for _ in range(4):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    return "accepted" if not sides else "the handshake did not end"


for name in names:
    try:
        print(handshake(name))
    except ssl.SSLError as error:
        print(error)

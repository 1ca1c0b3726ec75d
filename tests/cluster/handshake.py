"""A TLS handshake in memory: usage: handshake.py ROOT CERT KEY NAME

A client that trusts ROOT alone asks for NAME; a server presents CERT (leaf, then its issuers) with KEY. Prints
`accepted`, or what the client said against it. Standard library only.
"""

import ssl
import sys

root, cert, key, name = sys.argv[1:]
client = ssl.create_default_context(cafile=root)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(cert, key)

to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
sides = [
    client.wrap_bio(to_client, to_server, server_hostname=name),
    server.wrap_bio(to_server, to_client, server_side=True),
]
try:
    # Each round hands the other side's bytes on; TLS 1.3 needs two, and more than four means that it hangs.
    for _ in range(4):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    print("accepted" if not sides else "the handshake did not end")
except ssl.SSLError as error:
    print(error)

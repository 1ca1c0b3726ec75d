"""The age recipient of an ssh-ed25519 public key: usage: recipient.py FILE.pub

The Edwards point's y becomes the Montgomery u = (1 + y) / (1 - y) (RFC 7748 section 4.1), in Bech32 (BIP 173).
Works from the public half alone, so it can contradict a conversion of the private half. Standard library only.
"""

import base64
import sys

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
PRIME = 2**255 - 19


def polymod(values):
    total = 1
    for value in values:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            total ^= term if top >> bit & 1 else 0
    return total


def bech32(human, data):
    # 256 bits and 4 of padding are 52 groups of 5.
    bits = int.from_bytes(data, "big") << 4
    groups = [bits >> shift & 31 for shift in range(255, -1, -5)]
    covered = [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human]
    total = polymod(covered + groups + [0] * 6) ^ 1
    groups += [total >> shift & 31 for shift in range(25, -1, -5)]
    return human + "1" + "".join(LETTERS[group] for group in groups)


with open(sys.argv[1], encoding="ascii") as public:
    kind, body = public.read().split()[:2]
assert kind == "ssh-ed25519", kind
y = int.from_bytes(base64.b64decode(body)[-32:], "little") & (1 << 255) - 1
u = (1 + y) * pow(1 - y, -1, PRIME) % PRIME
print(bech32("age", u.to_bytes(32, "little")))

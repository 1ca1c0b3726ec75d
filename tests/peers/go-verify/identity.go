package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

// identity prints the age identity that a machine derives from its ssh-ed25519 host key: the first half of the
// seed's SHA-512 (RFC 8032 section 5.1.5, step 1; X25519 itself sets and clears the bits of step 2), in Bech32
// (BIP 173). A machine that runs sops-nix opens its files with this identity.
func identity(args []string) error {
	flags := flag.NewFlagSet("identity", flag.ContinueOnError)
	path := flags.String("key", "", "OpenSSH private key file without a passphrase")
	if err := flags.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		return err
	}
	seed, err := ed25519Seed(text)
	if err != nil {
		return fmt.Errorf("%s: %w", *path, err)
	}
	scalar := sha512.Sum512(seed)
	fmt.Println(strings.ToUpper(bech32("age-secret-key-", scalar[:32])))
	return nil
}

// ed25519Seed finds the 32-byte seed in an unencrypted key file. Source: OpenSSH, PROTOCOL.key.
func ed25519Seed(text []byte) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, errors.New("not an OpenSSH private key")
	}
	body, magic := bytes.CutPrefix(block.Bytes, []byte("openssh-key-v1\x00"))
	if !magic {
		return nil, errors.New("not version 1 of the format")
	}
	fields := reader{body}
	if cipher := string(fields.text()); cipher != "none" {
		return nil, fmt.Errorf("expected no passphrase, found cipher `%s`", cipher)
	}
	fields.text() // the name of the key derivation
	fields.text() // its options
	fields.number()
	fields.text() // the public key
	private := reader{fields.text()}
	private.number()
	private.number()
	if kind := string(private.text()); kind != "ssh-ed25519" {
		return nil, fmt.Errorf("expected an ssh-ed25519 key, found `%s`", kind)
	}
	private.text()
	pair := private.text()
	if len(pair) != 64 {
		return nil, fmt.Errorf("expected a pair of 64 bytes, found %d", len(pair))
	}
	return pair[:32], nil
}

// reader takes SSH's binary types (RFC 4251 section 5) off the front. Past the end it yields nothing.
type reader struct{ left []byte }

func (r *reader) number() uint32 {
	if len(r.left) < 4 {
		r.left = nil
		return 0
	}
	n := binary.BigEndian.Uint32(r.left)
	r.left = r.left[4:]
	return n
}

func (r *reader) text() []byte {
	n := int(r.number())
	if n > len(r.left) {
		r.left = nil
		return nil
	}
	text := r.left[:n]
	r.left = r.left[n:]
	return text
}

const bech32Letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 encodes whole bytes under a human-readable part. Source: BIP 173, "Bech32".
func bech32(human string, data []byte) string {
	var groups []byte
	var bits, held uint
	for _, octet := range data {
		held = held<<8 | uint(octet)
		for bits += 8; bits >= 5; {
			bits -= 5
			groups = append(groups, byte(held>>bits&31))
		}
	}
	if bits > 0 {
		groups = append(groups, byte(held<<(5-bits)&31))
	}
	var covered []byte
	for i := range human {
		covered = append(covered, human[i]>>5)
	}
	covered = append(covered, 0)
	for i := range human {
		covered = append(covered, human[i]&31)
	}
	covered = append(covered, groups...)
	sum := polymod(append(covered, make([]byte, 6)...)) ^ 1
	for i := range 6 {
		groups = append(groups, byte(sum>>(5*(5-i))&31))
	}
	text := human + "1"
	for _, group := range groups {
		text += string(bech32Letters[group])
	}
	return text
}

func polymod(values []byte) uint32 {
	generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	sum := uint32(1)
	for _, value := range values {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(value)
		for i, term := range generator {
			if top>>i&1 == 1 {
				sum ^= term
			}
		}
	}
	return sum
}

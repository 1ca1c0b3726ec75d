// Makes an authority as k3s does: with the library and the parameters of k3s, around them a program of ours.
//
//	usage: k3s-ca PREFIX CERTIFICATE KEY
//
// Source: k3s, pkg/daemons/control/deps/deps.go, createSigningCertKey. The release itself is a whole distribution,
// whose module cannot be built beside a pinned Kubernetes.
package main

import (
	"crypto"
	"fmt"
	"os"
	"time"

	"github.com/rancher/dynamiclistener/cert"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: k3s-ca PREFIX CERTIFICATE KEY")
		os.Exit(2)
	}
	if err := authority(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "k3s-ca:", err)
		os.Exit(1)
	}
}

func authority(prefix, certificate, key string) error {
	text, _, err := cert.LoadOrGenerateKeyFile(key, false)
	if err != nil {
		return err
	}
	private, err := cert.ParsePrivateKeyPEM(text)
	if err != nil {
		return err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return fmt.Errorf("%s: a %T does not sign", key, private)
	}
	name := fmt.Sprintf("%s-ca@%d", prefix, time.Now().Unix())
	signed, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name}, signer)
	if err != nil {
		return err
	}
	return cert.WriteCert(certificate, cert.EncodeCertPEM(signed))
}

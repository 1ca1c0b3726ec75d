package main

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
)

// chainJudgement is what `chain` prints: how long the accepted chain is, root included, or why there is none.
type chainJudgement struct {
	Length int    `json:"length"`
	Error  string `json:"error"`
}

// chain verifies what a server presents (leaf first, then its issuers) as a client would that trusts the root
// and nothing else. The name may be an IP address.
func chain(args []string) error {
	flags := flag.NewFlagSet("chain", flag.ContinueOnError)
	root := flags.String("root", "", "PEM file with the one trusted certificate")
	name := flags.String("name", "", "DNS name or IP address that the client asked for")
	served := flags.String("served", "", "PEM file as the server presents it, leaf first")
	if err := flags.Parse(args); err != nil {
		return err
	}
	roots, err := pool(*root)
	if err != nil {
		return err
	}
	presented, err := certificates(*served)
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, issuer := range presented[1:] {
		between.AddCert(issuer)
	}
	chains, err := presented[0].Verify(x509.VerifyOptions{
		DNSName:       *name,
		Roots:         roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return show(chainJudgement{Error: err.Error()})
	}
	return show(chainJudgement{Length: len(chains[0])})
}

// certificates reads every certificate of a PEM file, in its order. At least one.
func certificates(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return found, nil
}

func pool(path string) (*x509.CertPool, error) {
	trusted, err := certificates(path)
	if err != nil {
		return nil, err
	}
	anchors := x509.NewCertPool()
	for _, certificate := range trusted {
		anchors.AddCert(certificate)
	}
	return anchors, nil
}

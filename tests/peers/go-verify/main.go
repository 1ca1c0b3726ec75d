// go-verify judges with Go's own crypto/tls and crypto/x509, the library that etcd and Kubernetes verify with.
//
//	go-verify chain    -root FILE -name NAME -served FILE       one server's chain against the root alone
//	go-verify connect  -address HOST:PORT -trust FILE ...       many new TLS connections, one request on each
//	go-verify identity -key FILE                                the age identity of an SSH host key
//	go-verify stand-in -address HOST:PORT -cert FILE ...        a server that says who called, until it is killed
//
// Each prints one JSON object, or for identity one line, and stand-in nothing. Exit 0: the judgement was made, whatever
// it says. Exit 2: it could not be made. Standard library only, so that building it needs no network.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("expected `chain`, `connect`, `identity` or `stand-in`")
	}
	switch args[0] {
	case "chain":
		return chain(args[1:])
	case "connect":
		return connect(args[1:])
	case "identity":
		return identity(args[1:])
	case "stand-in":
		return standIn(args[1:])
	}
	return fmt.Errorf("no command named `%s`: `chain`, `connect`, `identity` and `stand-in` exist", args[0])
}

func show(judgement any) error {
	return json.NewEncoder(os.Stdout).Encode(judgement)
}

package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
)

// call is what the stand-in answers to whatever it is asked for: who called, by the subject and the hexadecimal serial
// of the client's certificate, and for whom, by the headers that a front proxy sets.
type call struct {
	Caller string   `json:"caller"`
	Serial string   `json:"serial"`
	Path   string   `json:"path"`
	User   string   `json:"user"`
	Groups []string `json:"groups"`
}

// standIn serves in the place of a kubelet or of an aggregated API server: by TLS, and only to clients whose
// certificate one of the trusted authorities issued.
func standIn(args []string) error {
	flags := flag.NewFlagSet("stand-in", flag.ContinueOnError)
	address := flags.String("address", "", "HOST:PORT to listen on")
	cert := flags.String("cert", "", "PEM file with the server's certificate and its issuers")
	key := flags.String("key", "", "PEM file with the server's key")
	clients := flags.String("clients", "", "PEM file with the authorities whose clients are served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	anchors, err := pool(*clients)
	if err != nil {
		return err
	}
	server := http.Server{
		Addr:      *address,
		TLSConfig: &tls.Config{ClientCAs: anchors, ClientAuth: tls.RequireAndVerifyClientCert},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			client := r.TLS.PeerCertificates[0]
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(call{
				Caller: client.Subject.String(),
				Serial: fmt.Sprintf("%x", client.SerialNumber),
				Path:   r.URL.Path,
				User:   r.Header.Get("X-Remote-User"),
				Groups: r.Header.Values("X-Remote-Group"),
			})
		}),
	}
	return server.ListenAndServeTLS(*cert, *key)
}

package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// connectJudgement is what `connect` prints: how many connections each served serial answered, and how many
// failed with each message.
type connectJudgement struct {
	Served   map[string]int `json:"served"`
	Failures map[string]int `json:"failures"`
}

// connect opens new TLS connections one after the other and asks for a path on each: with TLS 1.3 a client
// learns that its certificate was refused only when it reads. The key pair is read anew for each connection,
// as a client that starts then would.
func connect(args []string) error {
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	address := flags.String("address", "", "HOST:PORT")
	name := flags.String("name", "", "the name that is verified; the host of the address without it")
	trust := flags.String("trust", "", "PEM file with the trusted certificates")
	cert := flags.String("cert", "", "PEM file with the client's certificate; none is presented without it")
	key := flags.String("key", "", "PEM file with the client's key")
	path := flags.String("path", "/version", "what is asked for")
	count := flags.Int("count", 1, "at least this many connections")
	begun := flags.String("begun", "", "file to create after the first connection")
	until := flags.String("until", "", "go on, whatever the count, until a connection that began after this file existed")
	pause := flags.Duration("pause", 0, "between two connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	anchors, err := pool(*trust)
	if err != nil {
		return err
	}
	judgement := connectJudgement{Served: map[string]int{}, Failures: map[string]int{}}
	for n, enough := 1, false; !enough; n++ {
		enough = n >= *count && exists(*until)
		settings := &tls.Config{RootCAs: anchors, ServerName: *name}
		if *cert != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				return err
			}
			// Presented whether or not its issuer is among those the server names: the server is to judge.
			settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &pair, nil
			}
		}
		serial, err := ask(*address, *path, settings)
		if err != nil {
			judgement.Failures[reason(err)]++
		} else {
			judgement.Served[serial]++
		}
		if n == 1 && *begun != "" {
			if err := os.WriteFile(*begun, nil, 0o600); err != nil {
				return err
			}
		}
		time.Sleep(*pause)
	}
	return show(judgement)
}

// ask opens one connection, makes one request, and returns the serial of the server's leaf in hexadecimal.
func ask(address, path string, settings *tls.Config) (string, error) {
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, settings)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	request := "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
	if _, err := fmt.Fprintf(connection, request, path, address); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %s", response.Status)
	}
	return fmt.Sprintf("%x", connection.ConnectionState().PeerCertificates[0].SerialNumber), nil
}

// reason is the error without the ports, which differ at each connection, so that equal failures count together.
func reason(err error) string {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Op + ": " + operation.Err.Error()
	}
	return err.Error()
}

func exists(path string) bool {
	if path == "" {
		return true
	}
	_, err := os.Stat(path)
	return err == nil
}

// sops-nix-open does for one value what sops-nix does for each when a machine is activated, with the two libraries
// that sops-nix calls, in its order: read the SSH host key, let ssh-to-age convert it, hand the age key file to sops'
// decrypt package by SOPS_AGE_KEY_FILE, take the string under the key. The libraries' versions are sops-nix' own.
//
//	sops-nix-open FILE KEY HOST-KEY
//
// FILE is YAML; KEY goes down through maps at each slash. Prints the value and nothing else. Exit 1, with the
// libraries' own error on stderr: no value.
package main

import (
	"fmt"
	"os"
	"strings"

	agessh "github.com/Mic92/ssh-to-age"
	"github.com/getsops/sops/v3/decrypt"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sops-nix-open FILE KEY HOST-KEY")
		os.Exit(2)
	}
	value, err := open(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	fmt.Print(value)
}

func open(file, key, hostKey string) (string, error) {
	if err := useHostKey(hostKey); err != nil {
		return "", err
	}
	plain, err := decrypt.File(file, "yaml")
	if err != nil {
		return "", fmt.Errorf("cannot decrypt `%s`: %w", file, err)
	}
	var data any
	if err := yaml.Unmarshal(plain, &data); err != nil {
		return "", fmt.Errorf("`%s` holds no YAML: %w", file, err)
	}
	for _, name := range strings.Split(key, "/") {
		set, _ := data.(map[string]any)
		data = set[name]
	}
	value, text := data.(string)
	if !text {
		return "", fmt.Errorf("`%s` has no string at `%s`", file, key)
	}
	return value, nil
}

// useHostKey leaves the age key file in memory, where sops-nix has a ramfs: no plaintext key on a disk.
func useHostKey(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	identity, _, err := agessh.SSHPrivateKeyToAge(text, nil)
	if err != nil {
		return fmt.Errorf("cannot convert `%s`: %w", path, err)
	}
	memory, err := unix.MemfdCreate("age-keys", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot make a file in memory: %w", err)
	}
	if _, err := unix.Write(memory, []byte(*identity+"\n")); err != nil {
		return fmt.Errorf("cannot write to a file in memory: %w", err)
	}
	return os.Setenv("SOPS_AGE_KEY_FILE", fmt.Sprintf("/proc/self/fd/%d", memory))
}

// sops-diff is sops without its files and its editor: what it would make of a text, for thousands of texts in one
// process. All of it is sops' own packages, called in the order in which its commands call them.
//
// Each line of stdin is a request, each line of stdout its answer, both JSON; texts are base64. The age identities come
// by SOPS_AGE_KEY, as always.
//
//	{"op": "encrypt", "store", "text", "groups": [["age1.."]], "threshold", "selector": ["encrypted_regex", ".."],
//	 "mac_only", "foreign"}  -> {"text"}      foreign: a key of every other service stands beside the first group
//	{"op": "decrypt", "store", "text"}        -> {"text", "values"}
//	{"op": "edit", "store", "text", "new"}    -> {"text"}      as if an editor had left "new"
//	{"op": "read", "store", "text", "above"}  -> {"text", "values"}      of a file in the open
//
// With "above" each comment behind a value goes above it, where sops puts it when it has decrypted it.
//
// Values are one string each, in the order of the file: path, type and content; so are comments. What goes wrong, a panic of sops as well,
// is {"error"}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/azkv"
	"github.com/getsops/sops/v3/cmd/sops/common"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/kms"
	"github.com/getsops/sops/v3/logging"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/version"
	"github.com/sirupsen/logrus"
)

type request struct {
	Op        string     `json:"op"`
	Store     string     `json:"store"`
	Text      []byte     `json:"text"`
	New       []byte     `json:"new"`
	Groups    [][]string `json:"groups"`
	Threshold int        `json:"threshold"`
	Selector  []string   `json:"selector"`
	MacOnly   bool       `json:"mac_only"`
	Foreign   bool       `json:"foreign"`
	Above     bool       `json:"above"`
}

type answer struct {
	Text     []byte   `json:"text"`
	Values   []string `json:"values,omitempty"`
	Comments []string `json:"comments,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	// sops warns of comments that do not open.
	logging.SetLevel(logrus.PanicLevel)
	requests := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := requests.ReadBytes('\n')
		if err != nil {
			return
		}
		var one request
		reply := answer{}
		if err := json.Unmarshal(line, &one); err != nil {
			reply.Error = err.Error()
		} else if err := serve(&one, &reply); err != nil {
			reply = answer{Error: err.Error()}
		}
		if err := answers.Encode(reply); err != nil {
			return
		}
	}
}

func serve(one *request, reply *answer) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	store := common.StoreForFormat(formats.FormatFromString(one.Store), config.NewStoresConfig())
	switch one.Op {
	case "encrypt":
		reply.Text, err = encrypt(store, one)
	case "decrypt":
		var tree *sops.Tree
		if tree, _, err = open(store, one.Text); err == nil {
			reply.Values, reply.Comments = values(tree.Branches), comments(tree.Branches)
			reply.Text, err = store.EmitPlainFile(tree.Branches)
		}
	case "edit":
		reply.Text, err = edit(store, one)
	case "read":
		var branches sops.TreeBranches
		if branches, err = store.LoadPlainFile(one.Text); err == nil {
			if one.Above {
				for _, branch := range branches {
					raise(branch)
				}
			}
			reply.Values, reply.Comments = values(branches), comments(branches)
			reply.Text, err = store.EmitPlainFile(branches)
		}
	default:
		err = fmt.Errorf("no operation named `%s`", one.Op)
	}
	return err
}

// load is `sops encrypt` up to its metadata.
func load(store common.Store, text []byte) (sops.TreeBranches, error) {
	branches, err := store.LoadPlainFile(text)
	if err != nil {
		return nil, err
	}
	if len(branches) < 1 {
		return nil, fmt.Errorf("no document")
	}
	for _, branch := range branches {
		if store.HasSopsTopLevelKey(branch) {
			return nil, fmt.Errorf("encrypted already")
		}
	}
	return branches, nil
}

func encrypt(store common.Store, one *request) ([]byte, error) {
	branches, err := load(store, one.Text)
	if err != nil {
		return nil, err
	}
	tree := sops.Tree{Branches: branches}
	metadata := &tree.Metadata
	metadata.Version = version.Version
	metadata.ShamirThreshold = one.Threshold
	for _, recipients := range one.Groups {
		var group sops.KeyGroup
		for _, recipient := range recipients {
			key, err := age.MasterKeyFromRecipient(recipient)
			if err != nil {
				return nil, err
			}
			group = append(group, key)
		}
		metadata.KeyGroups = append(metadata.KeyGroups, group)
	}
	if one.Store != "binary" {
		metadata.MACOnlyEncrypted = one.MacOnly
		if err := selectValues(metadata, one.Selector); err != nil {
			return nil, err
		}
	}
	key, faults := tree.GenerateDataKeyWithKeyServices(services())
	if len(faults) > 0 {
		return nil, fmt.Errorf("no data key: %v", faults)
	}
	if one.Foreign {
		metadata.KeyGroups[0] = append(metadata.KeyGroups[0], foreign()...)
	}
	if err := common.EncryptTree(common.EncryptTreeOpts{Tree: &tree, Cipher: aes.NewCipher(), DataKey: key}); err != nil {
		return nil, err
	}
	return store.EmitEncryptedFile(tree)
}

func selectValues(metadata *sops.Metadata, selector []string) error {
	if len(selector) != 2 {
		metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
		return nil
	}
	fields := map[string]*string{
		"unencrypted_suffix":        &metadata.UnencryptedSuffix,
		"encrypted_suffix":          &metadata.EncryptedSuffix,
		"unencrypted_regex":         &metadata.UnencryptedRegex,
		"encrypted_regex":           &metadata.EncryptedRegex,
		"unencrypted_comment_regex": &metadata.UnencryptedCommentRegex,
		"encrypted_comment_regex":   &metadata.EncryptedCommentRegex,
	}
	field, known := fields[selector[0]]
	if !known {
		return fmt.Errorf("no rule named `%s`", selector[0])
	}
	*field = selector[1]
	return nil
}

// foreign is a key of every service that takes no program or account to write down. None of them opens anything.
func foreign() sops.KeyGroup {
	made := time.Date(2026, 11, 21, 3, 2, 57, 0, time.UTC)
	role := "us-east-1"
	return sops.KeyGroup{
		&pgp.MasterKey{Fingerprint: "85D77543B3D624B63CEA9E6DBC17301B491B3F21", CreationDate: made,
			EncryptedKey: "-----BEGIN PGP MESSAGE-----\n\nhQEMAyUpShfNkFB/AQf\n=oJgS\n-----END PGP MESSAGE-----\n"},
		&kms.MasterKey{Arn: "arn:aws:kms:us-east-1:1:key/a", Role: "arn:aws:iam::1:role/b", CreationDate: made,
			EncryptedKey: "AQECAHgA", EncryptionContext: map[string]*string{"region": &role}, AwsProfile: "p"},
		&gcpkms.MasterKey{ResourceID: "projects/p/locations/global/keyRings/r/cryptoKeys/k", CreationDate: made, EncryptedKey: "CiQA"},
		&azkv.MasterKey{VaultURL: "https://v.vault.azure.net", Name: "n", Version: "1", CreationDate: made, EncryptedKey: "azure"},
		&hcvault.MasterKey{VaultAddress: "https://vault:8200", EnginePath: "transit", KeyName: "k", CreationDate: made, EncryptedKey: "vault:v1:x"},
	}
}

func services() []keyservice.KeyServiceClient {
	return []keyservice.KeyServiceClient{keyservice.NewLocalClient()}
}

// The cipher remembers what it decrypted, for the nonces of what does not change.
type opened struct {
	cipher aes.Cipher
	key    []byte
}

func open(store common.Store, text []byte) (*sops.Tree, opened, error) {
	tree, err := store.LoadEncryptedFile(text)
	if err != nil {
		return nil, opened{}, err
	}
	cipher := aes.NewCipher()
	key, err := common.DecryptTree(common.DecryptTreeOpts{
		Tree: &tree, KeyServices: services(), DecryptionOrder: []string{"age"}, Cipher: cipher,
	})
	return &tree, opened{cipher, key}, err
}

func edit(store common.Store, one *request) ([]byte, error) {
	tree, opened, err := open(store, one.Text)
	if err != nil {
		return nil, err
	}
	if tree.Branches, err = load(store, one.New); err != nil {
		return nil, err
	}
	tree.Metadata.Version = version.Version
	err = common.EncryptTree(common.EncryptTreeOpts{Tree: tree, Cipher: opened.cipher, DataKey: opened.key})
	if err != nil {
		return nil, err
	}
	return store.EmitEncryptedFile(*tree)
}

// values has one line for each value, and for what is empty.
func values(branches sops.TreeBranches) []string {
	var lines []string
	for document, branch := range branches {
		walk(branch, fmt.Sprintf("%d", document), &lines)
	}
	return lines
}

func walk(value any, path string, lines *[]string) {
	line := func(kind string, content any) { *lines = append(*lines, fmt.Sprintf("%s %s %q", path, kind, content)) }
	switch value := value.(type) {
	case sops.TreeBranch:
		before := len(*lines)
		for _, item := range value {
			if _, comment := item.Key.(sops.Comment); !comment {
				walk(item.Value, fmt.Sprintf("%s.%q", path, item.Key), lines)
			}
		}
		if len(*lines) == before {
			line("map", "")
		}
	case []any:
		index := 0
		for _, element := range value {
			if _, comment := element.(sops.Comment); !comment {
				walk(element, fmt.Sprintf("%s[%d]", path, index), lines)
				index++
			}
		}
		if index == 0 {
			line("list", "")
		}
	case nil:
		line("null", "")
	default:
		content, err := sops.ToBytes(value)
		if err != nil {
			content = []byte(err.Error())
		}
		line(fmt.Sprintf("%T", value), string(content))
	}
}

// comments has one line for each comment: the map or list that has it, how many values are above it there, a NUL, its text.
func comments(branches sops.TreeBranches) []string {
	var lines []string
	for document, branch := range branches {
		remarks(branch, fmt.Sprintf("%d", document), &lines)
	}
	return lines
}

func remarks(value any, path string, lines *[]string) {
	index := 0
	line := func(comment sops.Comment) {
		*lines = append(*lines, fmt.Sprintf("%s[%d]\x00%s", path, index, comment.Value))
	}
	switch value := value.(type) {
	case sops.TreeBranch:
		for _, item := range value {
			if comment, is := item.Key.(sops.Comment); is {
				line(comment)
				continue
			}
			remarks(item.Value, fmt.Sprintf("%s.%q", path, item.Key), lines)
			index++
		}
	case []any:
		for _, element := range value {
			if comment, is := element.(sops.Comment); is {
				line(comment)
				continue
			}
			remarks(element, fmt.Sprintf("%s[%d]", path, index), lines)
			index++
		}
	}
}

func raise(value any) {
	switch value := value.(type) {
	case sops.TreeBranch:
		for index, item := range value {
			if comment, is := item.Key.(sops.Comment); is {
				comment.Inline = false
				value[index].Key = comment
			}
			raise(item.Value)
		}
	case []any:
		for index, element := range value {
			if comment, is := element.(sops.Comment); is {
				comment.Inline = false
				value[index] = comment
			}
			raise(element)
		}
	}
}

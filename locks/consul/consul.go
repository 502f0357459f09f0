package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/endpoints"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
)

// Options configure a lock.
type Options struct {
	// Endpoints are the URLs of Consul's HTTP API, each http[s]://HOST[:PORT], all of
	// one scheme and one datacenter. The port is 8500, or 8501 of https, unless it is
	// given. No proxy of the environment is used. Required.
	Endpoints []string
	// Key is that of the record, 1 to 512 bytes, with no empty part between slashes.
	// Create makes it. Required.
	Key string
	// Identity is the name of this process in the record, see locks.CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// TokenFile holds the token for Consul's ACLs, and is read again for each request.
	// Empty: without a token. Without TLS the token can be read on its way.
	TokenFile string
	// Datacenter is the one whose key it is. Empty: the agent's.
	Datacenter string
	// Namespace and Partition are those of the key in Consul Enterprise. Empty: the
	// token's.
	Namespace, Partition string
	// CAFile holds the certificates, PEM, one of which has to have signed those of the
	// endpoints. Empty: those that the system trusts.
	CAFile string
	// CertFile and KeyFile hold a client certificate and its key, PEM. Both or none. All
	// three files are read again at each handshake.
	CertFile, KeyFile string
	// ServerName is the name that the endpoints' certificates have to have. Empty:
	// the host's, of each.
	ServerName string
	// Timeout is how long a call may take. 0 is locks.DefaultTimeout. It should be at
	// most half of the renew deadline.
	Timeout time.Duration
	// UserAgent names the program to Consul. Empty: net/http's.
	UserAgent string
}

const (
	maxKey = 512
	// maxAnswer is the most that is read of an answer, in bytes: four times a value
	// of the largest size, in base64.
	maxAnswer = 4 * locks.MaxValue
)

// New returns a lock on a key of Consul. It reads and checks the files, and connects to
// nothing. Close of the lock closes its connections.
func New(o Options) (*locks.Lock, error) {
	if err := checkKey(o.Key); err != nil {
		return nil, fmt.Errorf("lock in Consul: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = locks.DefaultTimeout
	}
	client, err := endpoints.New(endpoints.Options{
		URLs: o.Endpoints, Ports: map[string]string{"http": "8500", "https": "8501"},
		TLS:       credentials.TLS{CA: o.CAFile, Cert: o.CertFile, Key: o.KeyFile, ServerName: o.ServerName},
		UserAgent: o.UserAgent, Timeout: o.Timeout, MaxAnswer: maxAnswer, Unfit: unfit,
	})
	if err != nil {
		return nil, fmt.Errorf("lock in Consul: %w", err)
	}
	if o.TokenFile != "" {
		if _, err := credentials.Read(o.TokenFile); err != nil {
			return nil, fmt.Errorf("lock in Consul: token: %w", err)
		}
	}
	r := &register{client: client, key: o.Key, tokenFile: o.TokenFile, query: o.query(), secrets: redact.New()}
	return locks.New(r, locks.Options{Identity: o.Identity, Timeout: o.Timeout})
}

// query returns what selects a store of Consul's, as part of a URL.
func (o Options) query() string {
	query := url.Values{}
	for name, value := range map[string]string{"dc": o.Datacenter, "ns": o.Namespace, "partition": o.Partition} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query.Encode()
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("no key is given")
	case len(key) > maxKey:
		return fmt.Errorf("the key has %d bytes, and may have %d", len(key), maxKey)
	case !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the key holds a control character, or is not UTF-8")
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." { // the path of a URL has none of them
			return errors.New("a part of the key is empty, one dot or two; write PART/PART without a slash at either end")
		}
	}
	return nil
}

// register is a key of Consul, whose version is its ModifyIndex.
type register struct {
	client    *endpoints.Client
	key       string
	tokenFile string
	query     string // datacenter, namespace and partition
	secrets   *redact.Redactor
}

// entry is a key as Consul shows it.
type entry struct {
	Key         string
	Value       []byte
	ModifyIndex uint64
}

// Read implements locks.Register.
func (r *register) Read(ctx context.Context) ([]byte, uint64, error) {
	path := "/v1/kv/" + (&url.URL{Path: r.key}).EscapedPath()
	a, err := r.send(ctx, endpoints.Request{Method: http.MethodGet, Path: path + "?" + with("consistent", "&", r.query)})
	if err != nil {
		return nil, 0, err
	}
	if a.Status == http.StatusNotFound && a.Header.Get("X-Consul-Index") != "" {
		return nil, 0, nil
	}
	if a.Status != http.StatusOK {
		return nil, 0, r.refusal(a)
	}
	var all []entry
	if json.Unmarshal(a.Body, &all) != nil || len(all) != 1 || all[0].Key != r.key || all[0].ModifyIndex == 0 {
		return nil, 0, fmt.Errorf("%s: %w", a.Host, errNoAnswer)
	}
	if len(all[0].Value) > locks.MaxValue {
		return nil, 0, fmt.Errorf("the value has more than %d bytes, so it is no record; use another key", locks.MaxValue)
	}
	return all[0].Value, all[0].ModifyIndex, nil
}

// with returns two texts with what separates them, unless the second is empty.
func with(first, separator, second string) string {
	if second == "" {
		return first
	}
	return first + separator + second
}

// Swap implements locks.Register. Unlike PUT of a key with ?cas=, a transaction answers
// with the new ModifyIndex.
func (r *register) Swap(ctx context.Context, value []byte, version uint64) (uint64, error) {
	type operation struct {
		Verb, Key string
		Value     []byte
		Index     uint64
	}
	type step struct{ KV operation }
	body, err := json.Marshal([]step{{operation{"cas", r.key, value, version}}})
	if err != nil {
		return 0, err
	}
	a, err := r.send(ctx, endpoints.Request{Method: http.MethodPut, Path: "/v1/txn?" + r.query, Body: body, Once: true})
	if err != nil {
		return 0, err
	}
	if a.Status != http.StatusOK {
		return 0, r.refusal(a)
	}
	var done struct {
		Results []struct{ KV entry }
		Errors  []json.RawMessage
	}
	if json.Unmarshal(a.Body, &done) != nil || len(done.Errors) > 0 || len(done.Results) != 1 || done.Results[0].KV.Key != r.key || done.Results[0].KV.ModifyIndex <= version {
		return 0, fmt.Errorf("%s: %w", a.Host, errNoAnswer)
	}
	return done.Results[0].KV.ModifyIndex, nil
}

// send sends a request with the token that the file holds now.
func (r *register) send(ctx context.Context, request endpoints.Request) (endpoints.Answer, error) {
	request.Header = http.Header{}
	if r.tokenFile != "" {
		token, err := credentials.Read(r.tokenFile)
		if err != nil {
			return endpoints.Answer{}, fmt.Errorf("token: %w", err)
		}
		r.secrets.Note(token)
		request.Header.Set("X-Consul-Token", token)
	}
	a, err := r.client.Do(ctx, request)
	return a, r.secrets.Error(err) // which quotes a header that cannot be read
}

// Describe implements locks.Register.
func (r *register) Describe() string { return fmt.Sprintf("key %q of Consul", r.key) }

// Close closes idle connections.
func (r *register) Close() error { return r.client.Close() }

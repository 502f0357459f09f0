package etcd

import (
	"context"
	"errors"
	"fmt"
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
	// Endpoints are the URLs of etcd's members, each http[s]://HOST[:PORT], all of one
	// scheme. They must be of one cluster, and voting members. The port is 2379 unless
	// it is given. No proxy of the environment is used. Required.
	Endpoints []string
	// Key is that of the record, 1 to 512 bytes. Create makes it. Required.
	Key string
	// Identity is the name of this process in the record, see locks.CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// User and PasswordFile are for an etcd with authentication. The file holds the
	// password, and is read again whenever etcd asks for it. Both or none. Without TLS
	// the password can be read on its way.
	User, PasswordFile string
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
	// UserAgent names the program to etcd. Empty: net/http's.
	UserAgent string
}

const (
	maxKey = 512
	// maxAnswer is the most that is read of an answer, in bytes: four times a value
	// of the largest size, in base64.
	maxAnswer = 4 * locks.MaxValue
)

// New returns a lock on a key of etcd. It reads and checks the files, and connects to
// nothing. Close of the lock closes its connections.
func New(o Options) (*locks.Lock, error) {
	if err := checkKey(o.Key); err != nil {
		return nil, fmt.Errorf("lock in etcd: %w", err)
	}
	if (o.User == "") != (o.PasswordFile == "") {
		return nil, errors.New("lock in etcd: a user needs a file with the password, and the file a user; give both")
	}
	if o.Timeout <= 0 {
		o.Timeout = locks.DefaultTimeout
	}
	client, err := endpoints.New(endpoints.Options{
		URLs: o.Endpoints, Ports: map[string]string{"http": "2379", "https": "2379"},
		TLS:       credentials.TLS{CA: o.CAFile, Cert: o.CertFile, Key: o.KeyFile, ServerName: o.ServerName},
		UserAgent: o.UserAgent, Timeout: o.Timeout, MaxAnswer: maxAnswer, Unfit: unfit,
	})
	if err != nil {
		return nil, fmt.Errorf("lock in etcd: %w", err)
	}
	if o.PasswordFile != "" {
		if _, err := credentials.Read(o.PasswordFile); err != nil {
			return nil, fmt.Errorf("lock in etcd: password of user %q: %w", o.User, err)
		}
	}
	r := &register{
		session: session{client: client, user: o.User, passwordFile: o.PasswordFile, secrets: redact.New()},
		history: history{clusters: map[string]uint64{}},
		key:     []byte(o.Key),
	}
	return locks.New(r, locks.Options{Identity: o.Identity, Timeout: o.Timeout})
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
	return nil
}

// register is a key of etcd, whose version is its mod_revision.
type register struct {
	session
	history
	key []byte
}

// Numbers of 64 bits are strings in the gateway's JSON. One that is 0 is left out.
type (
	header struct {
		Cluster  uint64 `json:"cluster_id,string"`
		Revision uint64 `json:"revision,string"`
	}
	keyValue struct {
		Key         []byte `json:"key"`
		ModRevision uint64 `json:"mod_revision,string"`
		Value       []byte `json:"value"`
	}
	compare struct {
		Key         []byte `json:"key"`
		Target      string `json:"target"`
		Result      string `json:"result"`
		ModRevision uint64 `json:"mod_revision,string"`
	}
	put struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	operation struct {
		Put put `json:"request_put"`
	}
)

// accept reports why the last answer cannot be taken. The next request goes to another
// endpoint then: one of a foreign cluster is not to hide those that know better.
func (r *register) accept(h *header) error {
	err := r.follows(r.host, h)
	if err != nil {
		r.client.Avoid(r.host)
	}
	return err
}

// Read implements locks.Register. A range of etcd is linearizable unless it says
// otherwise.
func (r *register) Read(ctx context.Context) ([]byte, uint64, error) {
	var answer struct {
		Header *header    `json:"header"`
		KVs    []keyValue `json:"kvs"`
	}
	err := r.call(ctx, "/v3/kv/range", struct {
		Key []byte `json:"key"`
	}{r.key}, &answer, false)
	if err == nil {
		err = r.accept(answer.Header)
	}
	if err != nil || len(answer.KVs) == 0 {
		return nil, 0, err
	}
	kv := answer.KVs[0]
	if len(answer.KVs) > 1 || string(kv.Key) != string(r.key) || kv.ModRevision == 0 || kv.ModRevision > answer.Header.Revision {
		return nil, 0, errNoAnswer
	}
	if len(kv.Value) > locks.MaxValue {
		return nil, 0, fmt.Errorf("the value has more than %d bytes, so it is no record; use another key", locks.MaxValue)
	}
	return kv.Value, kv.ModRevision, nil
}

// Swap implements locks.Register.
func (r *register) Swap(ctx context.Context, value []byte, version uint64) (uint64, error) {
	var answer struct {
		Header    *header `json:"header"`
		Succeeded bool    `json:"succeeded"`
	}
	err := r.call(ctx, "/v3/kv/txn", struct {
		Compare []compare   `json:"compare"`
		Success []operation `json:"success"`
	}{
		[]compare{{r.key, "MOD", "EQUAL", version}},
		[]operation{{put{r.key, value}}},
	}, &answer, true)
	if err == nil {
		err = r.accept(answer.Header)
	}
	if err != nil {
		return 0, err
	}
	if !answer.Succeeded {
		return 0, locks.ErrChanged
	}
	if answer.Header.Revision <= version {
		return 0, errNoAnswer
	}
	return answer.Header.Revision, nil
}

// Describe implements locks.Register.
func (r *register) Describe() string { return fmt.Sprintf("key %q of etcd", r.key) }

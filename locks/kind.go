package locks

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Kind is one way to store the record of an election.
type Kind struct {
	Form
	// Parse returns what a value of this kind says. It reports every mistake, opens
	// nothing and connects to nothing.
	Parse func(v *Value) (Spec, error)
}

// Spec says how to open one lock.
type Spec struct {
	// Identity names the record: scheme, host and the record's name. It holds no
	// credentials and no tuning. It appears in logs.
	Identity string
	// NeedsHub: Open needs Env.Hub.
	NeedsHub bool
	// Open returns the lock. It validates and takes what is local, and does not wait for
	// the backend: a lock whose backend does not answer returns that from Get. The ctx
	// bounds Open only: the lock outlives it. The caller closes a lock that is an
	// io.Closer, after the election.
	Open func(ctx context.Context, env Env) (resourcelock.Interface, error)
}

// Env is what a lock gets of the program that opens it.
type Env struct {
	// Identity is the name of this process in the record, see CheckIdentity.
	Identity string
	// Hub says how to reach the hub; nil unless Spec.NeedsHub.
	Hub *rest.Config
	// Timeout is how long one request to the backend may take: at most half of the
	// renew deadline, and no longer than the lease duration goes beyond that. 0 is 5 s.
	Timeout time.Duration
	// UserAgent names the program to the backend.
	UserAgent string
	// Log takes what the lock has to tell beside its errors.
	Log logr.Logger
}

// NewTable returns what reads and describes these kinds.
func NewTable(kinds []Kind) *Table {
	t := &Table{Family: "lock"}
	for _, k := range kinds {
		t.Forms = append(t.Forms, k.Form)
	}
	return t
}

// Parse returns what a text says, which is of one of the kinds. The error joins
// every mistake and shows no credential.
func Parse(kinds []Kind, text string) (Spec, error) {
	i, v, err := NewTable(kinds).Parse(text)
	if i < 0 {
		return Spec{}, err
	}
	s, wrong := kinds[i].Parse(v)
	if err := errors.Join(err, v.Explain(wrong)); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// maxIdentity is the length of an identity that every lock must keep, in bytes.
const maxIdentity = 1024

// CheckIdentity reports why a process cannot have this identity. It must be UTF-8
// of 1 to 1,024 bytes.
func CheckIdentity(identity string) error {
	switch {
	case identity == "":
		return errors.New("the identity of this process in the lock is empty, which stands for nobody")
	case len(identity) > maxIdentity:
		return errors.New("the identity of this process in the lock is longer than 1,024 bytes")
	case !utf8.ValidString(identity):
		return errors.New("the identity of this process in the lock is not UTF-8, and would come back as another one")
	}
	return nil
}

package ledger

import (
	"context"
	"errors"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

var (
	// ErrInUse is what opening a store wraps while another process has it.
	ErrInUse = spec.ErrInUse
	// ErrLocked is ErrInUse, of a store that is a file.
	ErrLocked = spec.InUse("locked by another process")
)

// StoreKind is a kind of store, as --ledger chooses one.
type StoreKind struct {
	spec.Form
	// Parse says what a text asks for, and reports every mistake that the form does
	// not exclude. It opens nothing.
	Parse func(v *spec.Value) (*StoreSpec, error)
}

// StoreSpec is a store that is not open yet. Whoever opens one closes it if it is an
// io.Closer.
type StoreSpec struct {
	// Identity is what messages call the store. It holds no credential.
	Identity string
	// Path is that of a store that is a file; empty: it is none.
	Path string
	// Open opens the store, and makes it if there is none. It validates and takes what is
	// local; a backend that cannot be reached is an error of the first call that needs it.
	// The ctx bounds Open only: the store outlives it. Nil: the ledger is in memory
	// and ends with the process; OpenExisting and Compact are nil too.
	Open func(ctx context.Context) (Store, error)
	// OpenExisting opens a store that must be there; readOnly for a look. The error
	// wraps fs.ErrNotExist if there is none.
	OpenExisting func(ctx context.Context, readOnly bool) (Store, error)
	// Compact gives back room that the store no longer needs, and returns its size in
	// bytes before and after. Nil: a store of this kind cannot, or need not.
	Compact func(ctx context.Context) (before, after int64, err error)
}

// Sizer is a store that knows its size in bytes. Any goroutine may call Size.
type Sizer interface{ Size() int64 }

// Paged is a store that consists of pages, and has checked each of them when it was
// opened.
type Paged interface{ Pages() Pages }

// Pages counts what a store consists of.
type Pages struct {
	Size  int `json:"size"` // of a page in bytes
	Total int `json:"total"`
	Free  int `json:"free"` // for later use; Compact gives them back
}

// StoreKinds are the kinds of stores that a program knows.
type StoreKinds []StoreKind

// Table returns the forms of the kinds. A text that begins with no scheme is of the
// first kind.
func (ks StoreKinds) Table() *spec.Table {
	t := &spec.Table{Family: "ledger store"}
	for _, k := range ks {
		t.Forms = append(t.Forms, k.Form)
	}
	if len(ks) > 0 {
		t.Bare = ks[0].Scheme
	}
	return t
}

// Parse returns what a text asks for. The error joins all mistakes of the text and
// shows no credential.
func (ks StoreKinds) Parse(text string) (*StoreSpec, error) { return ks.parse(ks.Table(), text) }

// ParseStrict is Parse, of a text that must begin with a scheme.
func (ks StoreKinds) ParseStrict(text string) (*StoreSpec, error) {
	t := ks.Table()
	t.Bare = ""
	return ks.parse(t, text)
}

func (ks StoreKinds) parse(t *spec.Table, text string) (*StoreSpec, error) {
	i, v, err := t.Parse(text)
	if i < 0 {
		return nil, err
	}
	s, kindErr := ks[i].Parse(v)
	if err := errors.Join(err, v.Explain(kindErr)); err != nil {
		return nil, err
	}
	return s, nil
}

// MemoryKind returns the kind of store that is none: nothing is remembered across
// restarts.
func MemoryKind() StoreKind {
	return StoreKind{
		Form:  spec.Form{Scheme: "memory", Usage: "memory:", Summary: "remembers nothing across restarts", Rest: spec.Nothing},
		Parse: func(*spec.Value) (*StoreSpec, error) { return &StoreSpec{Identity: "memory:"}, nil },
	}
}

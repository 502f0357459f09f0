package spec

import "errors"

var (
	// ErrInUse says that another process has what was to be opened. With leader election, a
	// process that begins to lead waits until the one that led before has let go.
	ErrInUse = errors.New("in use by another process")
	// ErrInUseHere says that this very process has it: to wait for it to let go would be to
	// wait for ever. It is no ErrInUse.
	ErrInUseHere = errors.New("in use by this process")
)

type inUse struct {
	text string
	by   error
}

func (e inUse) Error() string        { return e.text }
func (e inUse) Is(target error) bool { return target == e.by }

// InUse returns an error with a text of its own that is ErrInUse.
func InUse(text string) error { return inUse{text, ErrInUse} }

// InUseHere returns an error with a text of its own that is ErrInUseHere.
func InUseHere(text string) error { return inUse{text, ErrInUseHere} }

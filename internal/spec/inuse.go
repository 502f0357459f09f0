package spec

import "errors"

// ErrInUse says that another process has what was to be opened. With leader election, a
// process that begins to lead waits until the one that led before has let go.
var ErrInUse = errors.New("in use by another process")

type inUse string

func (e inUse) Error() string        { return string(e) }
func (e inUse) Is(target error) bool { return target == ErrInUse }

// InUse returns an error with a text of its own that is ErrInUse.
func InUse(text string) error { return inUse(text) }

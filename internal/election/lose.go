package election

import (
	"errors"
	"fmt"
)

// errRefused says that another process leads, as what this one writes to has told.
var errRefused = fmt.Errorf("%w, as its fencing token shows", errTaken)

// Lose ends this process's term, because something beside the lock has shown that
// another process leads: a destination that has seen a higher fencing token, for one.
// It does nothing if this process does not lead.
func (e *Election) Lose(why error) { e.fence.lose(fmt.Errorf("%w: %w", errRefused, why)) }

// The reasons for which a term ends without anybody having asked for it.
const (
	Expired = "expired" // the lock was not renewed in time
	Taken   = "taken"   // another process is in the record
	Refused = "refused" // see Election.Lose
)

// Reasons are all of them.
var Reasons = []string{Expired, Taken, Refused}

// Reason returns which of the reasons an error tells, "" for an error that is no
// ErrLost.
func Reason(err error) string {
	switch {
	case !errors.Is(err, ErrLost):
		return ""
	case errors.Is(err, errRefused):
		return Refused
	case errors.Is(err, errTaken):
		return Taken
	}
	return Expired
}

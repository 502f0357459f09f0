package locks

import (
	"context"
	"errors"
	"time"
)

// Register is one value with compare-and-swap, in whatever stores it: what a lock of
// [New] keeps its record in. One goroutine uses it at a time. Both calls end with their
// context.
type Register interface {
	// Read returns the value and its version, which is 0 if there is no value. It
	// sees every Swap that had succeeded before it began: a replica that may be
	// behind does not do. It refuses a value of more than [MaxValue] bytes.
	Read(ctx context.Context) (value []byte, version uint64, err error)
	// Swap replaces the value of that version, or makes it if version is 0, and
	// returns the version that it has now. A value is never empty, and never the
	// one that it replaces. The error is or wraps [ErrChanged] if the value has
	// another version. Any other error leaves open what has happened.
	//
	// The versions of a value grow, also when it was deleted and made anew.
	Swap(ctx context.Context, value []byte, version uint64) (next uint64, err error)
	// Describe names the register in errors and logs. It shows no credential.
	Describe() string
}

// ErrChanged says that a Swap has changed nothing, because the value is of another
// version.
var ErrChanged = errors.New("it is not of the version that was seen last")

// ErrReplaced says that what answers is another store than before, or one that was set
// back, such as one that was restored from a backup. What was seen before says nothing
// about it, and its versions may be lower.
var ErrReplaced = errors.New("the store was replaced or restored")

// Replaceable is a Register that notices this. Its calls return an error that wraps
// [ErrReplaced] until Accept is called, or the store of before answers again.
//
// A [Lock] accepts the store if its process does not hold the record, as far as it knows.
// It then returns errors for as long as the record that it has seen last was to last: so
// nobody who has held that acts any more. A process that holds the record does not accept
// another one, and ends its term because it cannot renew it.
type Replaceable interface {
	Register
	// Accept takes the store that was found last for the one that is meant.
	Accept()
}

// MaxValue is the most bytes that a register has to keep. Records are below it: an
// identity of 1,024 bytes takes up to 6,144 in JSON.
const MaxValue = 16 << 10

// DefaultTimeout is how long one request to a backend may take: half of the usual
// renew deadline of 10 s, so that one that hangs leaves time for another, and no more
// than the 5 s that the usual lease duration of 15 s leaves beyond it.
const DefaultTimeout = 5 * time.Second

// Options configure a lock of New.
type Options struct {
	// Identity is the name of this process in the record, see CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// Timeout is how long a call may take. 0 is DefaultTimeout.
	Timeout time.Duration
}

// Fenced is a lock that numbers the terms of those who hold its record.
type Fenced interface {
	// Token returns the fencing token of the term in which this process holds the
	// record, or held it last; 0 before. Of two terms the later one has the higher
	// token, also if the record was deleted between them. That does not hold if what
	// stores the record was restored from a backup or made anew: then tokens may be
	// lower, and who has seen the higher ones has to be told. It may be called from any
	// goroutine.
	Token() uint64
}

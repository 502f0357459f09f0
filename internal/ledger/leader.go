package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// ErrLowerToken says that the lock's fencing token is not above the one with which
// another process has used the ledger. It stays so until another process is elected,
// or ForgetLock is called.
var ErrLowerToken = errors.New("the fencing token is not above that of a process before")

// Term is the term in which a process uses the ledger. With leader election it says
// which lock gave it, with which token, and to which process. A store that an earlier
// version has written, and a process without leader election, name no lock.
type Term struct {
	Number  uint64 // it grows; 0: there was none
	Lock    string // identity of the lock; empty: none
	Token   uint64 // fencing token of that lock
	Process string // identity of the process in that lock, which no other has
}

// Alone returns the term of a process that runs without leader election: the highest.
func Alone(last Term) (Term, error) {
	last.Number = max(1, last.Number)
	return last, nil
}

// Elected returns what chooses the term of a process that was elected: the token of its
// lock, or a higher number if the ledger was used in one before.
//
// The tokens of one lock only grow. So a token that is not above the stored one says
// that another process was elected later and has begun, or that what stores the lock
// was restored or made anew: that is refused with an ErrLowerToken. A lock with another
// identity counts on its own, and its tokens say nothing about the stored one.
func Elected(lock string, token uint64, process string) func(last Term) (Term, error) {
	return func(last Term) (Term, error) {
		next := Term{Number: max(token, last.Number+1), Lock: lock, Token: token, Process: process}
		switch {
		case last.Lock == lock && last.Token == token && last.Process == process:
			return last, nil // the answer to its own write was lost
		case last.Lock == lock && token <= last.Token:
			return Term{}, fmt.Errorf("%w: the lock %s has given this process, %q, the token %d, and %q has used the ledger with its token %d. "+
				"If another process has led since, it goes on, and this one ends once it sees that in the lock. "+
				"If what stores the lock was restored or made anew, run fairlead ledger forget --lock",
				ErrLowerToken, lock, process, token, last.Process, last.Token)
		case last.Number == math.MaxUint64:
			return Term{}, fmt.Errorf("%w: there is no term above %d", ErrOldTerm, last.Number)
		}
		return next, nil
	}
}

// term returns what a head of the ledger says.
func (h *head) term() Term {
	return Term{Number: h.Term, Lock: h.Lock, Token: h.Token, Process: h.Process}
}

func (h *head) setTerm(t Term) {
	h.Term, h.Lock, h.Token, h.Process = t.Number, t.Lock, t.Token, t.Process
}

// ForgetLock has a store that nothing else uses forget which lock has given its term.
// The next process that is elected goes on in a higher term, whatever its token is. It
// returns what the store has held, whose Lock is empty if there was none.
func ForgetLock(ctx context.Context, store Store) (last Term, err error) {
	held, err := readTerm(ctx, store)
	if err != nil || held == nil {
		return Term{}, err
	}
	h, err := decodeHead(termKey, held)
	if err != nil {
		return Term{}, err
	}
	if last = h.term(); last.Lock == "" {
		return last, nil
	}
	h.setTerm(Term{Number: last.Number})
	return last, store.Apply(ctx, []Update{{Cursor: termKey, Head: h.encode(termKey), Check: unmoved(held)}})
}

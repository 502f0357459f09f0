package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A program that is asked for a cluster may give no answer because of that cluster, and for many
// because they are of one site. If it has given none for mostAtOnce in a row, it is asked something
// that it knows by itself, for silentFor: an answer says that it is there.
const (
	silentFor  = 10 * time.Second // as port-forwards may be made anew
	askedAgain = time.Second
)

// silence tells whether the program that is asked for many clusters is there at all. Its method
// goOn may be called by any goroutine.
type silence struct {
	// answers asks the program something that it knows by itself.
	answers func() error

	mu    sync.Mutex
	inRow int  // requests without an answer since the last one with one, as they ended
	gone  bool // there was no answer to answers either
}

// silenceOf is for the program that a client has asked before.
func silenceOf(ctx context.Context, c *Client, notes io.Writer) *silence {
	return &silence{answers: func() error {
		var any []byte
		return c.Get(ctx, notes, "/limits", nil, &any)
	}}
}

// goOn takes in how a request has ended, and reports whether the program is worth to be asked for
// more. It may take up to silentFor, and what a request takes, in which no other call returns.
func (s *silence) goOn(ctx context.Context, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isUnreachable(err) {
		s.inRow, s.gone = 0, false
		return true
	}
	if s.inRow++; s.inRow < mostAtOnce || s.gone {
		return !s.gone
	}
	for began := time.Now(); isUnreachable(s.answers()); {
		if ctx.Err() != nil {
			return false
		}
		if time.Since(began) >= silentFor {
			s.gone = true
			return false
		}
		select {
		case <-time.After(askedAgain):
		case <-ctx.Done():
		}
	}
	s.inRow = 0
	return true
}

func isUnreachable(err error) bool {
	_, ok := errors.AsType[*unreachableError](err)
	return ok
}

// unasked is the error of the names that inTurn has not asked for; nil: there are none. No request is
// under way any more.
func (s *silence) unasked(names []string, asked int) error {
	if asked == len(names) {
		return nil
	}
	why := "the command was ended"
	if s.gone {
		why = "the program gives no answer any more"
	}
	return fmt.Errorf("%s: %d of %d clusters were asked for, and those from %s on were not", why, asked, len(names), Printable(names[asked]))
}

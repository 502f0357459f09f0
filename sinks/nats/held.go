package nats

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// held is what a bucket has of a key.
type held struct {
	revision       uint64 // 0: nothing
	term, sequence uint64
	err            error // why that is not known
}

// isLater reports whether it is later than a change, or the same.
func (h held) isLater(c *pipeline.Change) bool {
	return h.revision > 0 && (h.term > c.Origin.Term || h.term == c.Origin.Term && h.sequence >= c.Sequence)
}

func (h held) isOfLaterTerm(c *pipeline.Change) bool { return h.revision > 0 && h.term > c.Origin.Term }

func (h held) oldTerm(c *pipeline.Change) error {
	return fmt.Errorf("%s has term %d, and the change %d: %w", c.Key, h.term, c.Origin.Term, pipeline.ErrOldTerm)
}

// readers is how many keys are read at once.
const readers = 16

// read reads keys of the bucket. What others have put there without our headers counts as
// the oldest. A server may answer from a replica that is behind; then the next comparison
// fails, and it is read again.
func (c *connection) read(ctx context.Context, bucket string, batch []*pipeline.Change, of []int) map[int]held {
	all := make([]held, len(of))
	var group sync.WaitGroup
	next := make(chan int)
	for range min(readers, len(of)) {
		group.Go(func() {
			for n := range next {
				all[n] = c.readKey(ctx, subjectOf(bucket, batch[of[n]].Key))
			}
		})
	}
	for n := range of {
		next <- n
	}
	close(next)
	group.Wait()
	byChange := make(map[int]held, len(of))
	for n, i := range of {
		byChange[i] = all[n]
	}
	return byChange
}

func (c *connection) readKey(ctx context.Context, subject string) held {
	var m *jetstream.RawStreamMsg
	err := c.while(ctx, func(ctx context.Context) (err error) {
		m, err = c.bucket.GetLastMsgForSubject(ctx, subject)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return held{}
	}
	if err != nil {
		return held{err: err}
	}
	h := held{revision: m.Sequence}
	var term, sequence pipeline.Ordinal
	if term.UnmarshalText([]byte(m.Header.Get(termHeader))) == nil && sequence.UnmarshalText([]byte(m.Header.Get(sequenceHeader))) == nil {
		h.term, h.sequence = uint64(term), uint64(sequence)
	}
	return h
}

// remembered knows what a bucket has of the keys that were written last, so that these
// are compared without being read. It has two generations, of which the older one is
// forgotten when the younger one is full: at most 8 MiB.
type remembered struct {
	seed       maphash.Seed
	young, old map[uint64]held
}

// mostRemembered is how many keys a generation has.
const mostRemembered = 32 << 10

func newRemembered() remembered {
	return remembered{seed: maphash.MakeSeed(), young: map[uint64]held{}}
}

func (r *remembered) get(k pipeline.Key) held {
	id := maphash.Comparable(r.seed, k)
	if h, known := r.young[id]; known {
		return h
	}
	return r.old[id]
}

func (r *remembered) set(k pipeline.Key, h held) {
	if len(r.young) >= mostRemembered {
		r.young, r.old = make(map[uint64]held, mostRemembered), r.young
	}
	r.young[maphash.Comparable(r.seed, k)] = h
}

// note remembers that a change was accepted as that revision.
func (r *remembered) note(c *pipeline.Change, revision uint64) {
	r.set(c.Key, held{revision: revision, term: c.Origin.Term, sequence: c.Sequence})
}

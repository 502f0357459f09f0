package page

import (
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

const (
	// mostTransitions is how many a cluster keeps, and leastTransitions how many it keeps
	// however many clusters there are; allTransitions is about how many all keep together.
	mostTransitions, leastTransitions, allTransitions = 50, 5, 50_000
	mostReason                                        = 120 // bytes of a reason that are kept
)

// track is what was seen of one cluster.
type track struct {
	series      *series
	connection  seen
	streams     []seen           // in the order of the last look
	transitions []api.Transition // the oldest first
	look        uint64           // the last one that has seen it; 0: none has
}

// seen is a state at the last look. It is kept for each stream there is.
type seen struct {
	stream string // empty: the connection
	state  member.State
	since  int64 // in nanoseconds since 1970
}

// note compares what there is with what there was at the last look. Of a cluster that is
// new, only its connection is news.
func (t *track) note(at time.Time, look uint64, c *api.Cluster, keep int) {
	add := func(was, is seen, since time.Time, reason string) {
		if was.state == is.state && was.since == is.since {
			return
		}
		if len(t.transitions) >= keep {
			n := copy(t.transitions, t.transitions[len(t.transitions)-keep+1:])
			t.transitions = t.transitions[:n]
		}
		t.transitions = append(t.transitions, api.Transition{
			Seen: at, Since: since, Stream: is.stream, From: was.state, To: is.state, Reason: redact.Cut(reason, mostReason),
		})
	}
	is := seen{"", c.State, c.Since.UnixNano()}
	add(t.connection, is, c.Since, c.Reason)
	t.connection = is
	before := t.streams
	if len(before) != len(c.Streams) || !t.sameOrder(c.Streams) {
		t.streams = make([]seen, len(c.Streams)) // before is looked into below
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		is := seen{s.Status.Stream, s.State, s.Since.UnixNano()}
		var was seen
		if i < len(before) && before[i].stream == is.stream {
			was = before[i]
		} else if j := slices.IndexFunc(before, func(b seen) bool { return b.stream == is.stream }); j >= 0 {
			was = before[j]
		}
		if t.look != 0 {
			add(was, is, s.Since, s.Reason)
		}
		t.streams[i] = is
	}
	t.look = look
}

// sameOrder reports whether the streams are those of the last look, in that order.
func (t *track) sameOrder(streams []api.Stream) bool {
	for i := range streams {
		if streams[i].Status.Stream != t.streams[i].stream {
			return false
		}
	}
	return true
}

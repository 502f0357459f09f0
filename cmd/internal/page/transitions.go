package page

import (
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
	streams     map[string]seen
	transitions []api.Transition // the oldest first
	look        uint64           // the last one that has seen it
}

// seen is a state at the last look.
type seen struct {
	state member.State
	since time.Time
	look  uint64
}

// note compares what there is with what there was at the last look.
func (t *track) note(at time.Time, look uint64, c *api.Cluster, keep int) {
	add := func(stream string, was seen, state member.State, since time.Time, reason string) {
		if was.state == state && was.since.Equal(since) {
			return
		}
		if len(t.transitions) >= keep {
			n := copy(t.transitions, t.transitions[len(t.transitions)-keep+1:])
			t.transitions = t.transitions[:n]
		}
		t.transitions = append(t.transitions, api.Transition{
			Seen: at, Since: since, Stream: stream, From: was.state, To: state, Reason: redact.Cut(reason, mostReason),
		})
	}
	add("", t.connection, c.State, c.Since, c.Reason)
	t.connection = seen{c.State, c.Since, look}
	for i := range c.Streams {
		s := &c.Streams[i]
		was := t.streams[s.Status.Stream]
		add(s.Status.Stream, was, s.State, s.Since, s.Reason)
		t.streams[s.Status.Stream] = seen{s.State, s.Since, look}
	}
	if len(t.streams) > len(c.Streams) {
		for name, s := range t.streams {
			if s.look != look {
				delete(t.streams, name)
			}
		}
	}
	t.look = look
}

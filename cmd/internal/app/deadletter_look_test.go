package app

import (
	"fmt"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// An answer asks about so many letters, of all lanes together, and the next one about others.
func TestAnAnswerAsksAboutSomeLetters(t *testing.T) {
	const lanes, letters = 4, mostAsked*5/8 + 1
	r := &resending{done: make(chan struct{}), lanes: map[deadletter.Lane]*letterLane{}, reasons: map[string]int{}}
	for i := range lanes {
		of := deadletter.Lane{Sink: "fussy", Cluster: fmt.Sprint("c", i)}
		l := newLetterLane(r, of, make([]deadletter.Entry, letters))
		for i := range letters {
			key := letterKey{of.Sink, pipeline.Key{Cluster: of.Cluster, Name: fmt.Sprint(i)}, "u"}
			l.sent[key] = []*letter{{i: i, key: key, retried: &ledger.Redelivery{}}} // settled, without an ack
		}
		r.lanes[of] = l
	}
	o := newOrder()
	o.own = r
	close(o.began)
	for _, settled := range []int{mostAsked, 2 * mostAsked, lanes * letters, lanes * letters} {
		if s := o.status(); s.Records != lanes*letters || s.Kept != settled || s.Waiting != lanes*letters-settled {
			t.Errorf("%d letters, %d kept, %d waiting; want %d kept", s.Records, s.Kept, s.Waiting, settled)
		}
	}
}

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// TestHistories writes random histories as processes do that are killed and go on: in
// batches, some of them twice, going back to an earlier change and on from there, in
// terms that grow. After each batch the tables are compared with a naive model: a state
// is that of the highest (term, sequence), an event is there once, and nothing has gone
// back.
func TestHistories(t *testing.T) {
	d := start(t, "fsync = off")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for run := range 12 {
		o := postgres.Options{Tables: postgres.Both}
		if run%3 == 0 {
			o.Tables = postgres.State
		}
		o.Schema = d.made(t, o)
		s := d.open(t, o)
		m := model{states: map[pipeline.Key]*pipeline.Change{}, events: map[string]bool{}}
		log := history(r, 150)
		from, term := 0, uint64(1)
		for from < len(log) {
			to := min(from+1+r.IntN(20), len(log))
			var batch []*pipeline.Change
			for _, c := range log[from:to] {
				again := *c
				origin := *c.Origin
				origin.Term = term
				again.Origin = &origin
				batch = append(batch, &again)
			}
			for range 1 + r.IntN(2) {
				write(t, s, batch...)
				m.write(batch)
			}
			m.compare(t, held(t, s))
			if o.Tables == postgres.Both {
				if got := len(d.events(t, o.Schema)); got != len(m.events) {
					t.Fatalf("run %d: %d events, want %d", run, got, len(m.events))
				}
			}
			if from = to; r.IntN(4) == 0 { // killed, and what was accepted last is not noted
				from = max(0, from-r.IntN(40))
				term += uint64(r.IntN(2))
			}
		}
		if t.Failed() {
			return
		}
	}
}

// history returns changes of few names, in the order of their sequences: objects that
// are made, changed, deleted, and made again, some of whose deletions are worked out.
func history(r *rand.Rand, n int) (log []*pipeline.Change) {
	type object struct {
		uid    int
		exists bool
	}
	objects := make([]object, 4)
	for len(log) < n {
		i := r.IntN(len(objects))
		o := &objects[i]
		sequence := uint64(len(log) + 1)
		c := pod(fmt.Sprint("p", i), 1, 10*sequence)
		switch choice := r.IntN(5); {
		case !o.exists:
			o.uid, o.exists = o.uid+1, true
		case choice == 0:
			c = gone(c.Key.Name, 1, 10*sequence)
			o.exists = false
		case choice == 1: // another one has its name
			ghost := gone(c.Key.Name, 1, 10*sequence-5)
			ghost.UID, ghost.Ghost = types.UID(fmt.Sprint(i, "-", o.uid)), true
			log = append(log, ghost)
			o.uid++
		}
		c.UID = types.UID(fmt.Sprint(i, "-", o.uid))
		log = append(log, c)
	}
	return log
}

// model is what the tables should have.
type model struct {
	states map[pipeline.Key]*pipeline.Change
	events map[string]bool
}

func (m *model) write(batch []*pipeline.Change) {
	for _, c := range batch {
		m.events[c.ID()] = true
		was := m.states[c.Key]
		if was == nil || c.Origin.Term > was.Origin.Term || c.Origin.Term == was.Origin.Term && c.Sequence >= was.Sequence {
			m.states[c.Key] = c
		}
	}
}

func (m *model) compare(t *testing.T, held []sinks.Held) {
	t.Helper()
	var got, want []string
	show := func(key pipeline.Key, uid types.UID, version string, term, sequence uint64) string {
		return fmt.Sprint(key, " ", uid, " ", version, " ", term, " ", sequence)
	}
	for _, h := range held {
		got = append(got, show(h.Key, h.UID, h.ResourceVersion, h.Term, h.Sequence))
	}
	for key, c := range m.states {
		if c.Op != pipeline.Deleted {
			want = append(want, show(key, c.UID, c.ResourceVersion, c.Origin.Term, c.Sequence))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("the table has\n%q\nwant\n%q", got, want)
	}
}

package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// checkTerms is check for processes that have no ledger in common: each delivers all
// that there is, in a term of its own, and knows nothing of what was before. So nobody
// tells of what was deleted while nobody delivered. What the last process has told of
// must be right all the same, and terms may not go down.
func checkTerms(ev evidence) (*findings, error) {
	text, err := os.Open(ev.path)
	if err != nil {
		return nil, fmt.Errorf("replay the sink's file: %w", err)
	}
	defer text.Close() //nolint:errcheck // Read only.
	f := &findings{}
	var events []replay.Event
	told := map[replay.Object]string{} // in which term last
	term, last := "", ""               // the highest, and the one before
	var lines replay.Lines
	err = lines.Read(text, func(line []byte) error {
		e, err := replay.Parse(line)
		if err != nil {
			return fmt.Errorf("replay the sink's file: %w", err)
		}
		if e.Cluster == hostileName {
			f.Hostile++
			return nil
		}
		e.Data = nil
		if e.Term != last {
			f.Terms++
		}
		last = e.Term
		if e.Term < term {
			f.OldTerms = append(f.OldTerms, fmt.Sprintf("%s, %s: it is of term %s, and came after one of term %s", e.Object, e.ID, e.Term, term))
		}
		term = max(term, e.Term)
		told[e.Object] = e.Term
		events = append(events, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	state, numbers := replay.New(), replay.NewNumbers()
	var known []replay.Event
	seen := map[string]bool{}
	last = ""
	for _, e := range events {
		if mayHaveGone(e.Object, ev.held, told[e.Object], term) {
			continue
		}
		if e.Term != last {
			state.NewRun()
		}
		last = e.Term
		state.Apply(e)
		numbers.Apply(e)
		known = append(known, e)
		if id := e.Cluster + " " + e.ID; seen[id] {
			f.Duplicates++
		} else {
			seen[id] = true
		}
	}
	f.Events = len(events)
	f.found = found{state.Compare(ev.held, ev.clusters...), state.OutOfOrder}
	f.ByNumber = found{shuffled(known, ev.seed).Compare(ev.held, ev.clusters...), numbers.OutOfOrder}
	return f, nil
}

// mayHaveGone reports whether an object, told of in one term last, may have been deleted
// while nobody delivered, before the last term, so that nobody could tell.
func mayHaveGone[T cmp.Ordered](object replay.Object, held map[replay.Object]string, told, last T) bool {
	_, there := held[object]
	return !there && told < last
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// findings are what the checker has found.
type findings struct {
	found
	// ByID and ByNumber are those about consumers that drop for ever what has an id
	// that they had, and that order by term and sequence.
	ByID, ByNumber found
	// MissingIntents are objects that the sink held when Fairlead was killed, and the
	// ledger did not know of.
	MissingIntents []string
	// Skipped are versions that the sink did not have when Fairlead was killed, and
	// that the ledger's resume point had passed.
	Skipped []string
	// Replayed are states and deletions that were delivered although the ledger had
	// them stored as accepted, and nobody had asked for them.
	Replayed []string
	// Misshapen are events whose object has what the filter drops.
	Misshapen []string
	// OldTerms are events of an earlier term that came after one of a later.
	OldTerms   []string
	Terms      int // of which there are events, one after the other
	Events     int
	Duplicates int // events whose like came before, in whichever run
	LastRun    int // events of the last run
	Hostile    int // events of the member that lies, which count nowhere else
}

// found are three zeros, if all is well.
type found struct {
	replay.Difference
	OutOfOrder []string
}

func (f *found) all() []string { return slices.Concat(f.Missing, f.Ghosts, f.OutOfOrder) }

// evidence is what there is about one sink.
type evidence struct {
	filter  filter
	red     map[replay.Object]string // what the servers hold that is red
	path    string                   // of its file, of which each run wrote a part
	runs    []*run
	refused []refusal
	// held is what the servers hold of what is selected, of clusters only if any are
	// named.
	held     map[replay.Object]string
	clusters []string
	// selective says that not everything was selected all the time.
	selective bool
	// terms says that the terms of what the sink accepts may not go down: there are
	// several replicas.
	terms bool
	seed  uint64
}

// check replays the sink's file, and compares where it leads with what the servers
// hold.
func check(ev evidence) (*findings, error) {
	runs := ev.runs
	file, err := os.Open(ev.path)
	if err != nil {
		return nil, fmt.Errorf("replay the sink's file: %w", err)
	}
	defer file.Close() //nolint:errcheck // Read only.
	f := &findings{}
	sent := map[refusal]bool{} // again, by the operator
	for _, r := range ev.refused {
		sent[r] = true
	}
	state, byID, numbers := replay.New(), replay.NewByID(), replay.NewNumbers()
	state.Selective = ev.selective
	var all []replay.Event
	seen := map[string]bool{}
	colours := map[version]string{}
	text := bufio.NewReaderSize(file, 1<<20)
	offset, number := int64(0), 1
	term := ""                            // the highest
	told := map[replay.Object]bool{}      // the sink, that it exists
	gone := map[replay.Object]string{}    // the sink, at which version last
	var accepted map[replay.Object]string // as the present run found it stored; "": its deletion
	for {
		// The line may belong to the next run, or to one after it that came to
		// write something.
		for number < len(runs) && offset >= runs[number].Offset {
			accepted = f.restart(state, told, number+1, runs[number])
			number++
			f.LastRun = 0
		}
		line, err := text.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what has no end is not accepted
		}
		if err != nil {
			return nil, fmt.Errorf("replay the sink's file: %w", err)
		}
		e, err := replay.Parse(line)
		if err != nil {
			return nil, fmt.Errorf("replay the sink's file, at byte %d: %w", offset, err)
		}
		offset += int64(len(line))
		if e.Cluster == hostileName {
			f.Hostile++ // and whatever it says may be a lie
			continue
		}
		name, at := e.Object, e.ResourceVersion
		name.UID = ""
		another := false // deletion than the one before, of what was selected again and not told of
		if e.Deleted {
			at = ""
			another = ev.selective && gone[e.Object] != e.ResourceVersion
			gone[e.Object] = e.ResourceVersion
		} else {
			told[e.Object] = true
		}
		asked := !e.Deleted && (runs[number-1].Asked[e.Cluster] || sent[refusal{name, at}])
		if stored, ok := accepted[e.Object]; ok && stored == at && !asked && !another {
			f.Replayed = append(f.Replayed, fmt.Sprintf("run %d: %s again: the ledger had it stored as accepted", number, e.ID))
		} else if another {
			delete(accepted, e.Object) // which was of the deletion before this one
		}
		colour, err := ev.filter.accepts(&e)
		if err != nil {
			f.Misshapen = append(f.Misshapen, err.Error())
		}
		colours[version{e.Object, e.ResourceVersion}] = colour
		e.Data = nil
		if ev.terms && e.Term < term {
			f.OldTerms = append(f.OldTerms, fmt.Sprintf("%s, %s: it is of term %s, and came after one of term %s", e.Object, e.ID, e.Term, term))
		}
		term = max(term, e.Term)
		state.Apply(e)
		byID.Apply(e)
		numbers.Apply(e)
		all = append(all, e)
		f.LastRun++
		if id := e.Cluster + " " + e.ID; seen[id] {
			f.Duplicates++
		} else {
			seen[id] = true
		}
	}
	f.Events = state.Events
	f.found = found{ev.compare(state.Objects(), colours), state.OutOfOrder}
	f.ByID = found{ev.compare(byID.Objects(), colours), byID.OutOfOrder}
	f.ByNumber = found{ev.compare(shuffled(all, ev.seed).Objects(), colours), numbers.OutOfOrder}
	slices.Sort(f.MissingIntents)
	return f, nil
}

// version is one of an object.
type version struct {
	object replay.Object
	number string
}

// compare compares what a consumer has with what the servers hold. To a consumer that gets
// changes of the colour only, versions of one colour are the same.
func (ev *evidence) compare(live map[replay.Object]string, colours map[version]string) replay.Difference {
	for object, told := range live {
		if held, there := ev.held[object]; there && told != held && ev.filter.changed {
			_, isRed := ev.red[object]
			if colour := colours[version{object, told}]; isRed && colour == red || !isRed && colour == blue {
				live[object] = held
			}
		}
	}
	return replay.Compare(live, ev.held, ev.clusters...)
}

// restart begins another run, which finds a ledger. It returns what is accepted
// according to that.
func (f *findings) restart(state *replay.State, told map[replay.Object]bool, number int, r *run) (accepted map[replay.Object]string) {
	known := map[replay.Object]bool{}
	accepted = map[replay.Object]string{}
	for _, d := range r.Stored {
		if d.ID.Cluster == hostileName {
			continue
		}
		for name, o := range d.Objects {
			object := replay.Object{Cluster: d.ID.Cluster, Resource: d.ID.Resource, Namespace: name.Namespace, Name: name.Name}
			for _, uid := range append(o.UnackedUIDs, o.Acked.UID) {
				object.UID = uid
				known[object] = true
			}
			// Under a selection whose first snapshot is not over, sinks may have been
			// told that it is gone: another one has all of it delivered again.
			selecting := d.Resume == "" && state.Selective
			if o.Acked.UID != "" && !selecting { // the last of them
				accepted[object] = o.Acked.ResourceVersion
			}
			for _, version := range []string{o.Acked.ResourceVersion, o.Deleted} {
				if version != "" {
					state.Stored(object, d.ID.ClusterUID, version)
				}
			}
		}
	}
	for object := range state.Live() {
		if !known[object] {
			f.MissingIntents = append(f.MissingIntents, fmt.Sprintf("before run %d: %s: the sink has it, the ledger does not know", number, object))
		}
	}
	for object := range state.Gone() {
		if !known[object] && told[object] {
			// It was known, before the sink had its deletion: see above.
			state.StoredDeletion(object)
			accepted[object] = ""
		}
	}
	for _, o := range r.Owed {
		if !state.Has(o.object, o.version) {
			f.Skipped = append(f.Skipped, fmt.Sprintf("before run %d: %s: the resume point has passed version %s, and the sink does not have it", number, o.object, o.version))
		}
	}
	state.NewRun()
	return accepted
}

// shuffled is what a consumer has that orders by number, and got the events in any
// order, and some of them again.
func shuffled(events []replay.Event, seed uint64) *replay.ByNumber {
	random := rand.New(rand.NewPCG(seed, 4))
	for range len(events) / 4 {
		events = append(events, events[random.IntN(len(events))])
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	c := replay.NewByNumber()
	for _, e := range events {
		c.Apply(e)
	}
	return c
}

// problems are all that make a run a failed one.
func (f *findings) problems() []string {
	all := slices.Concat(f.all(), f.MissingIntents, f.Skipped, f.Replayed, f.Misshapen, f.OldTerms)
	for _, problem := range f.ByNumber.all() {
		all = append(all, "by number: "+problem)
	}
	return all
}

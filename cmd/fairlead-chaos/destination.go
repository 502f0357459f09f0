package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
)

// theDestination is the target of faults of a destination and of the line to it.
const theDestination = "destination"

// The faults of a destination. Those of the line have all.
const (
	destinationCut   kind = "destination-cut"
	destinationHangs kind = "destination-hangs" // the line carries nothing
	destinationSlow  kind = "destination-slow"
	destinationMute  kind = "destination-mute" // it does what it is asked for, and no answer arrives
	destinationDown  kind = "destination-down" // kill -9, and down for a while

	// Those that only some kinds have.
	destinationDenies      kind = "destination-denies"      // it does not know who asks
	destinationDisconnects kind = "destination-disconnects" // it ends all sessions
	destinationFailsOver   kind = "destination-fails-over"  // another server takes its place in the middle of a request: see takeover
	destinationFull        kind = "destination-full"        // it takes nothing more, or nothing new
	destinationReadOnly    kind = "destination-read-only"   // as a failover leaves the server that was the primary
	destinationRefuses     kind = "destination-refuses"     // it takes nothing for now
	destinationThrottles   kind = "destination-throttles"   // it takes some, and says when to ask for the others
)

// lineKinds are the faults that every destination has.
var lineKinds = []kind{destinationCut, destinationHangs, destinationSlow, destinationMute, destinationDown}

// destination is a real one, to which the program delivers beside the sinks that are
// files. It is reached on a line that can fail.
type destination struct {
	way
	// further lead to more servers of it. The faults of the line are those of all.
	further []way
	// sink is the value of --sink. It leads to the lines.
	sink string
	// server is what crashes, and addr where it listens.
	server killable
	addr   string
	// more are the faults that only some kinds have, each with what begins and ends it, but
	// for that of the takeover.
	more map[kind]stroke
	// takeover is how it fails over; nil: it does not.
	takeover *takeover
	// held reads back what exists, each object with its resourceVersion; nil if the
	// destination holds only what happened.
	held func(context.Context) (map[replay.Object]string, error)
	// events reads back what happened, of each object in the order in which it came;
	// nil if the destination holds only what is now.
	events func(context.Context) ([]replay.Event, error)
	// unique is whether events has each id once: repeats are dropped, and their numbers.
	unique bool
	// marks reads back of what term and sequence each name's latest change was, deletions
	// included, and without UIDs; nil if the
	// destination does not refuse the write of a leader that is none any more.
	marks func(context.Context) (map[replay.Object]mark, error)
	// failovers counts those that were, and amid how many of them were in the middle of a
	// request. They are read when all faults have ended.
	failovers, amid int

	rig   *lab.Rig
	close func() error
}

// stroke is what begins and ends a fault.
type stroke struct{ begin, end func(context.Context) error }

// killable is a server that crashes and comes back.
type killable interface {
	Kill(t testing.TB)
	Start(t testing.TB) // after Kill, with the data of before
}

// destinationKind is what there is to know of a kind of destination before it is started.
type destinationKind struct {
	// start starts its servers, and completes a destination that has its listens already.
	start func(t testing.TB, d *destination)
	// faults are those that it has beside the lineKinds, and seldom those that take seconds
	// to make, for runs of a minute or more.
	faults, seldom []kind
}

var (
	refusalsOfHTTP = []kind{destinationDenies, destinationFailsOver, destinationRefuses, destinationThrottles}
	refusalsOfNATS = []kind{destinationDenies, destinationFull}
)

// destinations are the values of --sink. What a kind needs is said here and nowhere else.
var destinations = map[string]destinationKind{
	"http":         {startReceiver, refusalsOfHTTP, nil},
	"hub":          {startHub, []kind{destinationFull}, []kind{destinationFailsOver}},
	"kafka":        {startTopic, []kind{destinationDenies, destinationFailsOver, destinationRefuses}, nil},
	"nats":         {startMessages, refusalsOfNATS, nil},
	"nats-bucket":  {startKeys, refusalsOfNATS, nil},
	"nats-cluster": {startMessagesOfThree, []kind{destinationDenies, destinationFailsOver, destinationFull}, nil},
	"otlp":         {startCollector, refusalsOfHTTP, nil},
	"postgres":     {startTables, []kind{destinationDenies, destinationDisconnects, destinationReadOnly}, []kind{destinationFailsOver}},
	"s3":           {startBucket, []kind{destinationDenies, destinationFailsOver}, nil},
}

// destinationNames returns the values of --sink.
func destinationNames() []string { return slices.Sorted(maps.Keys(destinations)) }

// seldomFrom is how long a run is that has the faults which are seldom.
const seldomFrom = time.Minute

// kinds are the faults that it has in a run of that duration.
func (k destinationKind) kinds(run time.Duration) []kind {
	all := slices.Concat(lineKinds, k.faults)
	if run >= seldomFrom {
		all = append(all, k.seldom...)
	}
	return all
}

// agrees fails unless a destination has the faults that are said of its kind.
func (k destinationKind) agrees(d *destination) error {
	said, has := slices.Sorted(slices.Values(slices.Concat(k.faults, k.seldom))), slices.Collect(maps.Keys(d.more))
	if d.takeover != nil {
		has = append(has, destinationFailsOver)
	}
	slices.Sort(has)
	if !slices.Equal(said, has) {
		return fmt.Errorf("the destination has the faults %v, and its kind is said to have %v", has, said)
	}
	return nil
}

// startDestination starts one of that kind, with its files in dir.
func startDestination(ctx context.Context, kind, dir string) (_ *destination, err error) {
	dir = filepath.Join(dir, theDestination)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the destination: %w", err)
	}
	d := &destination{rig: lab.NewRig(dir)}
	d.close = func() error {
		d.cut()
		return d.rig.Close()
	}
	err = d.rig.Do(ctx, func(t testing.TB) {
		d.way = newWay(t)
		destinations[kind].start(t, d)
		d.line.Lead(d.addr)
	})
	if err == nil {
		err = destinations[kind].agrees(d)
	}
	if err == nil {
		err = d.open()
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// stroke returns what begins and ends a fault.
func (d *destination) stroke(k kind, random *rand.Rand) stroke {
	set := func(f tcpline.Faults) func(context.Context) error {
		return func(context.Context) error {
			d.set(f)
			return nil
		}
	}
	cut := func(context.Context) error {
		d.cut()
		return nil
	}
	open := func(context.Context) error { return d.open() }
	switch k {
	case destinationCut:
		return stroke{cut, open}
	case destinationHangs:
		return stroke{set(tcpline.Faults{Stalled: true}), set(tcpline.Faults{})}
	case destinationSlow:
		return stroke{set(tcpline.Faults{Latency: time.Duration(20+random.IntN(180)) * time.Millisecond}), set(tcpline.Faults{})}
	case destinationMute:
		// The answers that wait are lost.
		return stroke{set(tcpline.Faults{Mute: true}), func(ctx context.Context) error { return errors.Join(cut(ctx), open(ctx)) }}
	case destinationDown:
		return stroke{
			func(ctx context.Context) error { return d.rig.Do(ctx, d.server.Kill) },
			func(ctx context.Context) error { return d.rig.Do(ctx, d.server.Start) },
		}
	case destinationFailsOver:
		return d.failsOver(keepsAnswer[random.IntN(len(keepsAnswer))])
	}
	return d.more[k]
}

// newDestinationPlan spreads faults of these kinds over the writes, one after the other.
// It has no part in newPlan: what a seed means there does not depend on it.
func newDestinationPlan(seed uint64, changes, faults int, of []kind) []fault {
	random := rand.New(rand.NewPCG(seed, 9))
	n := max(len(of), faults/3)
	spacing := float64(changes) * 0.9 / float64(n)
	var plan []fault
	var round []kind
	for i := range n {
		if len(round) == 0 {
			round = slices.Clone(of)
			random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		at := int(spacing * (float64(i) + random.Float64()/2))
		plan = append(plan, fault{Kind: round[0], Target: theDestination, At: at, Until: at + int(spacing*(0.2+0.3*random.Float64())), Dice: random.Uint64()})
		round = round[1:]
	}
	return plan
}

// delivery is how what is delivered came about.
type delivery struct {
	// several processes, of which one that does not lead any more may be late. Whoever reads
	// a destination that does not compare terms has to order by them.
	several bool
	// forgetful ones have no ledger in common: see checkTerms.
	forgetful bool
}

// check compares what the destination holds with what the servers hold.
func (d *destination) check(ctx context.Context, held map[replay.Object]string, clusters []string, by delivery) (*findings, error) {
	f := &findings{}
	if d.held != nil {
		live, err := d.held(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the destination: %w", err)
		}
		if by.forgetful && d.marks != nil {
			marks, err := d.marks(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the destination: %w", err)
			}
			last := highest(marks)
			maps.DeleteFunc(live, func(object replay.Object, _ string) bool {
				name := object
				name.UID = ""
				return mayHaveGone(object, held, marks[name].term, last)
			})
		}
		f.Difference = replay.Compare(live, held, clusters...)
		f.Events = len(live)
	}
	if d.events == nil {
		return f, nil
	}
	events, err := d.events(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the destination: %w", err)
	}
	if by.several && d.marks == nil {
		events = slices.Clone(events)
		slices.SortStableFunc(events, byTerm)
	}
	f.Events = 0
	term, told := "", map[replay.Object]string{}
	for _, e := range events {
		if e.Cluster == hostileName {
			continue
		}
		if by.several && e.Term < term {
			f.OldTerms = append(f.OldTerms, fmt.Sprintf("%s, %s: it is of term %s, and came after one of term %s", e.Object, e.ID, e.Term, term))
		}
		term = max(term, e.Term)
		told[e.Object] = e.Term
	}
	byID, ordered, numbers := replay.NewByID(), replay.NewByNumber(), replay.NewNumbers()
	if d.unique {
		ordered = replay.NewByNumberUnique()
	}
	for _, e := range events {
		if e.Cluster == hostileName {
			f.Hostile++
			continue
		}
		f.Events++
		if by.forgetful && mayHaveGone(e.Object, held, told[e.Object], term) {
			continue
		}
		e.Data = nil
		byID.Apply(e)
		ordered.Apply(e)
		numbers.Apply(e)
	}
	f.ByNumber = found{ordered.Compare(held, clusters...), numbers.OutOfOrder}
	if !by.forgetful { // A process that knows nothing of the one before may give its ids again.
		f.ByID.Difference = byID.Compare(held, clusters...)
	}
	return f, nil
}

// byTerm orders events by term. Whatever sorts by it leaves those of one term in the order
// in which they came, so that the check finds what is wrong there.
func byTerm(a, b replay.Event) int { return cmp.Compare(a.Term, b.Term) }

// byNumber orders events by term and sequence.
func byNumber(a, b replay.Event) int {
	return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
}

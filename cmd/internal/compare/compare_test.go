package compare

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources"
)

// world is a member, a sink and a ledger.
type world struct {
	member, sink  map[sources.ObjectName]State
	rules         map[sources.ObjectName]sources.ListedObject // flags and digests
	ledger        map[sources.ObjectName]sources.ComparedStanding
	readings      int
	before, after func() // a list, and of reading the sink
	fails         error
}

func newWorld() *world {
	return &world{member: map[sources.ObjectName]State{}, sink: map[sources.ObjectName]State{},
		rules: map[sources.ObjectName]sources.ListedObject{}, ledger: map[sources.ObjectName]sources.ComparedStanding{}}
}

func (w *world) Resource() string  { return "pods" }
func (w *world) Namespace() string { return "" }

func (w *world) List(_ context.Context, yield func(*sources.ListedObject) error) (string, error) {
	w.readings++
	if w.before != nil {
		w.before()
	}
	for n, s := range w.member {
		o := w.rules[n]
		o.Namespace, o.Name, o.UID, o.ResourceVersion = n.Namespace, n.Name, s.UID, s.Version
		if err := yield(&o); err != nil {
			return "", err
		}
	}
	if w.after != nil {
		w.after()
	}
	return "1000", nil
}

func (w *world) Standing(namespace, name string, _ *sources.ListedObject, _ string) sources.ComparedStanding {
	return w.ledger[sources.ObjectName{Namespace: namespace, Name: name}]
}

func (w *world) Known(yield func(string, string) bool) {
	for n, s := range w.ledger {
		if s.Known && !yield(n.Namespace, n.Name) {
			return
		}
	}
}

func (w *world) ReadBack(_ context.Context, cluster, resource string, yield func(sinks.Held) error) error {
	for n, s := range w.sink {
		for _, of := range []string{resource, "others"} { // a sink that tells too much
			key := pipeline.Key{Cluster: cluster, Resource: of, Namespace: n.Namespace, Name: n.Name}
			if err := yield(sinks.Held{Key: key, UID: types.UID(s.UID), ResourceVersion: s.Version}); err != nil {
				return err
			}
		}
	}
	return w.fails
}

func (w *world) compare(t *testing.T, sample int) *Result {
	t.Helper()
	r, err := Run(t.Context(), Options{Cluster: "c", Stream: w, Sink: w, Sample: sample})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Result) verdicts() map[string]Verdict {
	all := map[string]Verdict{}
	for _, d := range r.Differences {
		all[d.Namespace+"/"+d.Name] = d.Verdict
	}
	return all
}

// naive is Judge as a list of rules, for worlds that stand still: what should the sink have,
// and who has what.
func naive(member, sink, acked State, l sources.ComparedStanding, listed sources.ListedObject) Verdict {
	if l.Pending {
		return Pending
	}
	should := member
	if listed.Unselected {
		should = State{}
	}
	if listed.Undecided {
		if !l.Known {
			return Equal // nobody can tell
		}
		should = acked
	}
	missing := sink == State{}
	switch {
	case sink == should && missing && l.Known && l.Reached:
		return OnlyInLedger
	case sink == should && missing && l.Known:
		return Behind
	case sink == should && missing && listed.Unselected && !listed.Undecided:
		return Filtered
	case sink == should:
		return Equal
	case !l.Settled:
		return Behind
	case sink == acked && l.Unchanged && should.UID == sink.UID && !missing:
		return Equal
	case sink == acked && !l.Reached:
		return Behind
	case missing:
		return OnlyInMember
	case should == State{}:
		return OnlyInSink
	case should.UID != sink.UID:
		return OtherUID
	}
	a, b := len(sink.Version), len(should.Version)
	if _, err := strconv.Atoi(sink.Version); err != nil || a == b && sink.Version == should.Version {
		return OtherVersion
	}
	if a < b || a == b && sink.Version < should.Version {
		return SinkOlder
	}
	return SinkNewer
}

// FuzzCompare compares random worlds with what naive says of each object.
func FuzzCompare(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		w, want, pending, filtered := newWorld(), map[string]Verdict{}, 0, 0
		states := []State{{}, {"u1", "9"}, {"u1", "10"}, {"u1", "10"}, {"u2", "11"}, {"u1", "odd"}}
		flip := func(n int) bool { return random.IntN(n) == 0 }
		for i := range random.IntN(60) {
			n := sources.ObjectName{Namespace: fmt.Sprint("n", i%3), Name: fmt.Sprint("o\t<", i)}
			member, sink, acked := states[random.IntN(5)], states[random.IntN(6)], states[random.IntN(5)]
			if flip(2) {
				sink, acked = member, member
			}
			var listed sources.ListedObject
			if member != (State{}) {
				w.member[n] = member
				listed = sources.ListedObject{Unselected: flip(4)}
				listed.Undecided = !listed.Unselected && flip(8)
				w.rules[n] = listed
			}
			if sink != (State{}) {
				w.sink[n] = sink
			}
			l := sources.ComparedStanding{
				AckedUID: acked.UID, AckedVersion: acked.Version, Known: acked != State{},
				Pending: flip(6), Settled: !flip(8), Reached: !flip(4), Unchanged: flip(4),
			}
			w.ledger[n] = l
			if member == (State{}) && sink == (State{}) && !l.Known {
				continue // nobody has it
			}
			simply := member == sink && sink != (State{}) && !listed.Unselected && !listed.Undecided
			switch v := naive(member, sink, acked, l, listed); {
			case simply:
			case v.Differs():
				want[n.Namespace+"/"+n.Name] = v
			case v == Pending, v == Behind:
				pending++
			case v == Filtered:
				filtered++
			}
		}
		r := w.compare(t, 0)
		if d := cmp.Diff(want, r.verdicts()); d != "" {
			t.Errorf("differences: -want +got\n%s", d)
		}
		if r.Pending != pending || r.Filtered != filtered || r.Changing+r.More != 0 {
			t.Errorf("%+v, want %d pending and %d filtered", r, pending, filtered)
		}
		if len(want) > 0 && w.readings != 2 {
			t.Errorf("%d readings of what stands still", w.readings)
		}
	})
}

// A healthy fleet moves while it is read: it has no difference, whatever changes when.
func TestAFleetThatMoves(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		w := newWorld()
		version := 100
		names := make([]sources.ObjectName, 20)
		for i := range names {
			names[i] = sources.ObjectName{Namespace: "n", Name: fmt.Sprint(i)}
		}
		write := func() { // a state that is observed at once and accepted later
			n := names[random.IntN(len(names))]
			version++
			l := w.ledger[n]
			l.Pending, l.Known, l.Settled, l.Reached = true, true, true, true
			w.ledger[n] = l
			if random.IntN(3) == 0 {
				delete(w.member, n)
			} else {
				w.member[n] = State{"u", strconv.Itoa(version)}
			}
		}
		deliver := func() {
			n := names[random.IntN(len(names))]
			s, there := w.member[n]
			l := w.ledger[n]
			if w.sink[n] = s; !there {
				delete(w.sink, n)
			}
			l.Pending, l.Known, l.AckedUID, l.AckedVersion = false, there, s.UID, s.Version
			l.Settled, l.Reached = true, true
			w.ledger[n] = l
		}
		move := func() {
			for range random.IntN(30) {
				write()
				deliver()
			}
		}
		w.before, w.after = move, move
		move()
		if r := w.compare(t, 0); len(r.Differences) > 0 {
			t.Fatalf("seed %d: %+v", seed, r.Differences)
		}
	}
}

// A sample is of as many objects, whose differences are found, and no others.
func TestSample(t *testing.T) {
	w := newWorld()
	for i := range 5000 {
		n := sources.ObjectName{Name: fmt.Sprint(i)}
		w.member[n] = State{"u", "2"}
		w.ledger[n] = sources.ComparedStanding{AckedUID: "u", AckedVersion: "2", Known: true, Settled: true, Reached: true}
		w.sink[n] = State{"u", "1"}
	}
	if r := w.compare(t, 100); len(r.Differences) != 100 || r.Compared != 100 {
		t.Errorf("%d of %d differ, want 100", len(r.Differences), r.Compared)
	}
	for n := range w.sink {
		w.sink[n] = State{"u", "2"}
	}
	if r := w.compare(t, 100); len(r.Differences) != 0 {
		t.Errorf("%d differ, want none", len(r.Differences))
	}
	if r := w.compare(t, 10_000); r.Compared != 5000 {
		t.Errorf("compared %d, want all", r.Compared)
	}
}

// Objects that have another state whenever one looks are told as changing.
func TestChanging(t *testing.T) {
	w := newWorld()
	n := sources.ObjectName{Name: "a"}
	w.before = func() {
		w.member[n] = State{"u", strconv.Itoa(w.readings)}
		w.ledger[n] = sources.ComparedStanding{Known: true, Settled: true, Reached: true}
	}
	if r := w.compare(t, 0); r.Changing != 1 || len(r.Differences) != 0 || r.Readings != mostReadings {
		t.Errorf("%+v", r)
	}
}

// More suspects than are looked at twice are counted.
func TestManySuspects(t *testing.T) {
	w := newWorld()
	for i := range mostSuspects + 5 {
		n := sources.ObjectName{Name: strings.Repeat("x", i%200) + fmt.Sprint(i)}
		w.member[n] = State{"u", "2"}
		w.ledger[n] = sources.ComparedStanding{Settled: true, Reached: true}
	}
	if r := w.compare(t, 0); len(r.Differences) != mostSuspects || r.More != 5 {
		t.Errorf("%d differences and %d more", len(r.Differences), r.More)
	}
}

// What cannot be read to its end is no comparison.
func TestAnError(t *testing.T) {
	w := newWorld()
	w.fails = errors.New("gone away")
	if _, err := Run(t.Context(), Options{Cluster: "c", Stream: w, Sink: w}); !errors.Is(err, w.fails) {
		t.Errorf("%v", err)
	}
}

func TestTable(t *testing.T) {
	table := newTable(maphash.MakeSeed(), 0)
	var all []sources.ListedObject
	for i := range 3000 {
		o := sources.ListedObject{
			Namespace: strings.Repeat("n", i%5), Name: strings.Repeat("a", i%300) + strconv.Itoa(i), UID: strconv.Itoa(i * 3), ResourceVersion: strconv.Itoa(i),
			Unselected: i%2 == 0, Undecided: i%3 == 0, Digest: uint64(i),
		}
		all = append(all, o)
		if err := table.add(&o); err != nil {
			t.Fatal(err)
		}
	}
	table.sort()
	for _, want := range all {
		r, got := table.find(table.hash(want.Namespace, want.Name), want.Namespace, want.Name)
		if r == nil || got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
	if !slices.IsSortedFunc(table.rows, func(a, b row) int { return int(int64(a.hash>>1) - int64(b.hash>>1)) }) {
		t.Error("rows are not in order")
	}
}

// BenchmarkTable tells what an object takes, with a name of 40 characters.
func BenchmarkTable(b *testing.B) {
	const objects = 100_000
	b.ReportAllocs()
	var bytes float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		table := newTable(maphash.MakeSeed(), 0)
		for i := range objects {
			o := sources.ListedObject{
				Namespace: "production-1", Name: fmt.Sprintf("checkout-7d9f8b6c5d-%08d", i),
				UID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), ResourceVersion: "123456789",
			}
			if err := table.add(&o); err != nil {
				b.Fatal(err)
			}
		}
		table.sort()
		runtime.GC()
		runtime.ReadMemStats(&after)
		bytes = float64(after.HeapAlloc-before.HeapAlloc) / objects
		runtime.KeepAlive(table)
	}
	b.ReportMetric(bytes, "B/object")
}

// hung is a sink that tells nothing.
type hung struct{}

func (hung) ReadBack(ctx context.Context, _, _ string, _ func(sinks.Held) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// A destination that hangs ends the comparison.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := Run(t.Context(), Options{Cluster: "c", Stream: newWorld(), Sink: hung{}}); !errors.Is(err, errSilent) {
			t.Errorf("%v", err)
		}
	})
}

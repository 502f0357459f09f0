package ledger

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
)

// A pod's name is that of its workload and two suffixes: 20 to 60 bytes.
func podName(r *rand.Rand, i int) Name {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := []byte(fmt.Sprintf("team-%d-%s", i%37, "checkout-frontend-api-gateway-worker"[:1+r.IntN(36)]))
	b = append(b, '-')
	for k := range 15 {
		if k == 9 {
			b = append(b, '-')
			continue
		}
		b = append(b, letters[r.IntN(len(letters))])
	}
	return Name{Namespace: fmt.Sprintf("tenant-%03d-production", i%300), Name: string(b)}
}

func randomUID(r *rand.Rand) string {
	var u uid
	for i := range u {
		u[i] = byte(r.Uint32())
	}
	return u.format()
}

// fill takes n objects through a first snapshot, acked a lane behind.
func fill(tb testing.TB, c *Cursor, n int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	c.BeginSnapshot()
	type item struct {
		sequence uint64
		name     Name
		v        Version
	}
	lane := make([]item, 0, 1000)
	flush := func() {
		for _, i := range lane {
			c.begin(i.sequence, i.name, i.v, false)
			c.Ack(i.sequence, i.name, i.v, false)
		}
		lane = lane[:0]
	}
	for i := range n {
		x := item{name: podName(r, i), v: Version{randomUID(r), strconv.Itoa(1_000_000 + i)}}
		var verdict Verdict
		if x.sequence, verdict = c.observe(x.name, x.v, false, true); verdict != Deliver {
			tb.Fatalf("%v: verdict %v", x.name, verdict)
		}
		if lane = append(lane, x); len(lane) == cap(lane) {
			flush()
		}
	}
	flush()
	endSnapshot(c, "9000000")
	c.Seen("9000000")
}

func heap() int {
	runtime.GC()
	runtime.GC() // what the first one has swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A goal of the design: at most 160 bytes for each known object, names and what
// maps hold in reserve included. The sizes between are those at which the index
// has just grown.
func BenchmarkCursorHeap(b *testing.B) {
	for _, n := range []int{100_000, 120_000, 240_000, 1_000_000} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				c := newCursor(StreamID{}, nil)
				fill(b, c, n)
				b.ReportMetric(float64(heap()-before)/float64(n), "B/object")
				runtime.KeepAlive(c)
			}
		})
	}
}

func TestHeapPerObject(t *testing.T) {
	const n, most = 120_000, 160
	before := heap()
	c := newCursor(StreamID{}, nil)
	fill(t, c, n)
	if each := (heap() - before) / n; each > most {
		t.Errorf("%d bytes per object, want at most %d", each, most)
	}
	runtime.KeepAlive(c)
}

// A further route of the same stream has a cursor of its own, whose names' memory
// is that of the first one's: at most 64 bytes for each object, at any size.
func TestHeapOfAFurtherRoute(t *testing.T) {
	const most = 64
	for _, n := range []int{114_688 + 1} { // just after a map would have grown
		first := newCursor(StreamID{}, nil)
		fill(t, first, n)
		before := heap()
		c := newCursor(StreamID{}, nil)
		fillLike(c, first)
		if each := float64(heap()-before) / float64(n); each > most {
			t.Errorf("%.1f bytes for each of %d objects beside the first route's, want at most %d", each, n, most)
		} else {
			t.Logf("%.1f bytes for each of %d objects", each, n)
		}
		runtime.KeepAlive(c)
		runtime.KeepAlive(first)
	}
}

// fillLike has a cursor know what another one does, under the same names.
func fillLike(c, other *Cursor) {
	for o := range other.acked.all() {
		c.acked.put(object{version: o.version, name: o.name, epoch: o.epoch})
		c.takesLocked(1, entrySize(o.name))
	}
	c.last = other.last
	c.advanceLocked()
}

// Objects come and go in name spaces that come and go, some with UIDs that are
// no UUIDs, most of them while the resume point stands still.
func TestChurnLeavesNothingBehind(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	r := rand.New(rand.NewPCG(1, 2))
	fill(t, c, 2000)
	version := 10_000_000
	round := func(round int) {
		stuck, _ := c.observe(Name{"ns", "stuck"}, Version{randomUID(r), strconv.Itoa(version)}, false, false)
		for i := range 2000 {
			n := Name{fmt.Sprintf("preview-%d-%d", round, i%50), fmt.Sprintf("pod-%d", i%400)}
			v := Version{randomUID(r), strconv.Itoa(version + 1)}
			if i%3 == 0 {
				v.UID = fmt.Sprint("odd ", round, " ", i)
			}
			for k, deleted := range []bool{false, true} {
				v.ResourceVersion = strconv.Itoa(version + 1 + k)
				sequence, _ := c.observe(n, v, deleted, false)
				c.begin(sequence, n, v, deleted)
				c.Ack(sequence, n, v, deleted)
				c.Seen(v.ResourceVersion)
			}
			version += 2
		}
		if got, most := len(c.forgetting), 64+2*len(c.deleted); got > most {
			t.Errorf("%d deletions are to be forgotten, of %d that are remembered", got, len(c.deleted))
		}
		n, v := Name{"ns", "stuck"}, Version{randomUID(r), strconv.Itoa(version)}
		c.begin(stuck, n, v, true)
		c.Ack(stuck, n, v, true)
		version++
		c.Seen(strconv.Itoa(version))
	}
	for i := range 10 {
		round(i)
	}
	before := heap()
	for i := range 100 {
		round(10 + i)
	}
	if more := heap() - before; more > 64<<10 {
		t.Errorf("the heap has grown by %d KiB", more>>10)
	}
	if s := c.Stats(); s.Known != 2000 || s.Unacked != 0 || len(c.deleted) != 0 || len(c.forgetting) != 0 || len(c.unackedUIDs) != 0 || len(c.nonUUIDs) > 200 {
		t.Errorf("%+v; %d deletions, %d to forget, %d held, %d odd UIDs", s, len(c.deleted), len(c.forgetting), len(c.unackedUIDs), len(c.nonUUIDs))
	}
	runtime.KeepAlive(c)
}

// A cursor that was large gives back what it no longer needs.
func TestDeletingReturnsTheHeap(t *testing.T) {
	before := heap()
	c := newCursor(StreamID{}, nil)
	fill(t, c, 50_000)
	c.BeginSnapshot()
	for _, d := range endSnapshot(c, "9500000") {
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
	}
	c.Seen("9500000")
	if left := heap() - before; left > 2<<20 || c.Stats().Known != 0 {
		t.Errorf("%d KiB are left of 50,000 objects", left>>10)
	}
	runtime.KeepAlive(c)
}

// Steady is an object that changes again and again. What is allocated is the
// pending entry.
func BenchmarkSteady(b *testing.B) {
	c := newCursor(StreamID{}, nil)
	fill(b, c, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	names, versions := make([]Name, 1000), make([]Version, 1000)
	for i := range names {
		names[i] = podName(r, i)
		versions[i] = Version{UID: randomUID(r)}
	}
	rvs := make([]string, 1<<16)
	for i := range rvs {
		rvs[i] = strconv.Itoa(10_000_000 + i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n, v := names[i%len(names)], versions[i%len(names)]
		v.ResourceVersion = rvs[i%len(rvs)]
		sequence, verdict := c.observe(n, v, false, true) // which takes any version
		if verdict != Deliver {
			continue
		}
		c.begin(sequence, n, v, false)
		c.Ack(sequence, n, v, false)
		c.Seen(v.ResourceVersion)
	}
}

// A repeat is the most frequent thing to observe: after a reconnection.
func BenchmarkDuplicate(b *testing.B) {
	c := newCursor(StreamID{}, nil)
	n, v := Name{"ns", "pod"}, Version{uid1, "10"}
	sequence, _ := c.observe(n, v, false, true)
	c.begin(sequence, n, v, false)
	c.Ack(sequence, n, v, false)
	b.ReportAllocs()
	for b.Loop() {
		if _, verdict := c.observe(n, v, false, false); verdict != Duplicate {
			b.Fatal(verdict)
		}
	}
}

func TestNothingIsAllocatedButThePendingEntry(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	fill(t, c, 1000)
	n, v := Name{"ns", "pod"}, Version{uid1, "10000000"}
	deliver(t, c, n, v, false, false)
	if got := testing.AllocsPerRun(100, func() { c.observe(n, v, false, false) }); got > 0 {
		t.Errorf("a repeat takes %v allocations", got)
	}
	w := v
	flip := false
	if got := testing.AllocsPerRun(100, func() {
		if flip = !flip; flip {
			w.ResourceVersion = "10000001"
		} else {
			w.ResourceVersion = "10000002"
		}
		sequence, _ := c.observe(n, w, false, true)
		c.begin(sequence, n, w, false)
		c.Ack(sequence, n, w, false)
		c.Seen("10000003")
	}); got > 1 {
		t.Errorf("an update takes %v allocations, want one", got)
	}
}

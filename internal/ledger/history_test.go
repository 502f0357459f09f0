package ledger

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

var (
	seeds     = flag.Int("seeds", 400, "histories to play in TestRandomHistories")
	firstSeed = flag.Uint64("first-seed", 0, "the first one of all histories to play")
)

// history is one run of everything: two streams of one cluster, and a ledger.
type history struct {
	t     *testing.T
	what  string // to play it again
	r     source
	store *memStore
	// uid counts the clusters that the name has stood for, and readable says
	// whether that can be told, or only the address.
	uid      int
	readable bool
	trouble  float64 // the share of steps in which something goes wrong
	often    []int   // what does then, most times; empty: whatever there is
	steps    bool    // anything may happen between two tombstones; their order is that of a Go map then
	lanes    [2]*lane

	quota int // what the cluster may have in the ledger; 0: no bound
	sinks int // counts those that there have been, one at a time

	refused int // changes that a sink has refused for good
	ghosts  int // of these, the deletions that were sent again while another UID had the name
	cut     int // of these, those after which the process ended before the ack
	alone   int // changes that have waited for the deletions of ghosts
	held    int // times that the cluster has left while workers held changes

	committing bool // a transaction is under way; there is one at a time
	settling   bool // nothing happens meanwhile any more

	ledger *Ledger // gone with a crash
}

// lane is one stream with its queue, worker and sink.
type lane struct {
	*history
	resource string
	server   *server
	sink     *sink
	stored   map[string]int // newest version that was stored as acked
	ever     []item         // all that was ever acked
	unswept  bool           // a backup was restored, and what a snapshot shows of that is not stored yet
	swept    bool           // a snapshot has shown it
	restores int            // of backups, so far
	stands   string         // a name whose changes no worker takes, for long
	replays  int            // asked for
	asks     int            // for which of these, until it is stored; 0: none
	letters  []item         // changes that the sink has refused, and that were put away; see history_letters_test.go

	// The process, gone with a crash.
	cursor  *Cursor
	stream  *stream
	waiting map[string]item
	working map[string]*work
	acked   map[string]int // versions acked since all was stored
	retried []*Redelivery
	late    []item // retried, and not handed over yet
	sending []letter
}

// work is an item in a worker. Its steps are: begun, and with that noted; then
// delivered; then acked. What the sink refuses is put away before the ack.
type work struct {
	item
	begun, delivered bool
	refused, putAway bool // the last answer was a refusal, to be put away; one was put away
	ghosts           []string
	alone            bool   // the ghosts go first, and it is begun again
	given            int    // of these, to the sink
	limit            uint64 // of the numbers, that the store must have before it is delivered
}

// source decides what happens next: a random generator, or a fuzzer's bytes.
type source interface {
	IntN(n int) int
	Float64() float64
	Shuffle(n int, swap func(i, j int))
}

func newHistory(t *testing.T, what string, r source) *history {
	h := &history{
		t: t, what: what, r: r, store: newMemStore(), readable: true,
		trouble: []float64{0.005, 0.02, 0.06, 0.15}[r.IntN(4)],
	}
	for range r.IntN(4) {
		h.often = append(h.often, r.IntN(troubles))
	}
	odd := r.IntN(2) == 0
	for i := range h.lanes {
		h.lanes[i] = &lane{
			history: h, resource: fmt.Sprint("resource-", i), server: newServer(10, odd), stored: map[string]int{},
			sink: newSink(),
		}
	}
	h.restart()
	return h
}

// work is one step of one worker.
func (h *lane) work() {
	var names []string
	for n := range strings.SplitSeq("abcdef", "") {
		if _, waits := h.waiting[n]; (waits || h.working[n] != nil) && n != h.stands {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return
	}
	name := names[h.r.IntN(len(names))]
	w, busy := h.working[name]
	switch {
	case !busy:
		if i, ok := h.waiting[name]; ok {
			delete(h.waiting, name)
			h.working[name] = &work{item: i}
		}
	case !w.begun:
		n, v := w.id()
		var superseded bool
		if w.ghosts, _, _, superseded = w.cursor.begin(w.sequence, n, v, w.deleted); superseded {
			delete(h.working, name)
			h.forgetUnacked(name)
			break
		}
		w.begun, w.limit = true, w.sequence
		w.alone = len(w.ghosts) >= w.cursor.ghostsAtOnce
		if numbers := &w.cursor.numbers; w.sequence > numbers.since {
			w.limit = max(w.sequence, numbers.least)
		}
	case !w.delivered:
		if _, unstored := w.cursor.unstoredIntents[nameOf(name)]; unstored || w.cursor.numbers.stored < w.limit {
			if h.r.Float64() < 0.2 { // Begin blocks, and is given up
				h.putBack(w)
			}
			return
		}
		if w.alone {
			h.handOverAlone(w)
			return
		}
		h.checkNoted(w)
		if h.handOver(w); !w.delivered && h.r.Float64() < 0.1 { // the next one failed
			h.putBack(w)
		}
	case h.r.Float64() < 0.1: // failed
		h.putBack(w)
	default:
		n, v := w.id()
		w.cursor.Ack(w.sequence, n, v, w.deleted)
		delete(h.working, name)
		h.acked[name] = w.age()
		h.ever = append(h.ever, w.item)
	}
	if resume := h.cursor.ResumePoint(); resume != "" && !h.forgets(resume) && h.number(resume) <= h.server.rv {
		h.checkResume(h.number(resume))
	}
}

// putBack lets an item wait again, unless there is a newer one.
func (h *lane) putBack(w *work) {
	delete(h.working, w.name)
	if w.cursor.lostLocked() {
		h.forgetUnacked(w.name)
	}
	h.offer(w.item)
}

// retry sends again what sinks accepted before, if the cursor lets it. Between that and
// the handover anything may happen, as the queue may be full.
func (h *lane) retry() {
	if len(h.late) > 0 && h.r.IntN(2) == 0 {
		h.offer(h.late[0])
		h.late = h.late[1:]
		return
	}
	if len(h.ever) == 0 || len(h.stream.former) > 0 {
		return
	}
	of := len(h.ever)
	if h.r.IntN(2) == 0 {
		of = min(of, 4) // of which some are the newest of their objects
	}
	i := h.ever[len(h.ever)-1-h.r.IntN(of)]
	n, v := i.id()
	if !h.cursor.Reached(v.ResourceVersion) {
		return
	}
	r, sequence, err := h.cursor.Redeliver(n, v, i.deleted)
	if err != nil {
		return
	}
	if h.r.Float64() < 0.1 {
		h.cursor.GiveUp(n, r) // it is not handed over: nobody waits for it
		return
	}
	h.retried = append(h.retried, r)
	i.sequence, i.again, i.cursor, i.past = sequence, true, h.cursor, h.sink.past[i.name]
	h.late = append(h.late, i)
}

func nameOf(s string) name { return name(appendName(nil, Name{"ns", s})) }

func (h *history) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// step is one event of the history: most often everything goes on, at times
// something goes wrong.
func (h *history) step() {
	defer h.checkUsage()
	l := h.lanes[h.r.IntN(2)]
	if h.r.Float64() < h.trouble {
		h.disturb(l)
		return
	}
	switch x := h.r.Float64(); {
	case x < 0.20:
		l.write(func() { l.server.write(h.r) })
	case x < 0.50:
		l.stream.step(l)
	case x < 0.88:
		l.work()
	case x < 0.94:
		h.commit(false)
	case x < 0.96:
		h.commit(true)
	case x < 0.97:
		l.retry()
	case x < 0.98:
		l.retryLetter()
	default:
		l.write(func() { l.server.rv++ }) // writes to other resources
	}
}

// troubles is how many things can go wrong.
const troubles = 16

func (h *history) disturb(l *lane) {
	what := h.r.IntN(troubles)
	if len(h.often) > 0 && h.r.Float64() < 0.8 {
		what = h.often[h.r.IntN(len(h.often))]
	}
	switch what {
	case 0:
		h.store.failing = !h.store.failing
	case 1, 2:
		l.server.compacted += h.r.IntN(l.server.rv - l.server.compacted + 1)
	case 3:
		l.connect()
	case 4, 5, 6:
		h.crash()
	case 7:
		h.leave()
	case 8:
		l.server.backup = l.server.copy()
	case 9:
		l.restore()
	case 10:
		h.replace()
	case 12, 13:
		h.quota = h.r.IntN(3) * h.r.IntN(6)
		h.ledger.SetQuota("a", Quota{Objects: h.quota})
	case 14:
		l.stands = string("abcdef"[h.r.IntN(6)])
	case 15:
		l.replay()
	case 11: // the namespace that tells the UID may not be read any more, or again
		h.readable = !h.readable
		for _, l := range h.lanes {
			l.connect()
		}
	}
}

// replay is asked for because a sink has lost all that it had, until that is stored.
func (h *lane) replay() {
	past := h.sink.past // what the newest states are from
	h.sink, h.letters, h.sending = newSink(), nil, nil
	h.sink.past = past
	h.replays++
	h.asks = h.replays
	h.cursor.RaiseDue()
	h.connect()
}

// restore takes the server back to its backup, if that can be told.
func (h *lane) restore() {
	if h.server.backup == nil || h.ahead(h.cursor, h.server.past+1, true) || h.unnoticed() {
		return
	}
	h.server.restore()
	h.restores++
	_, watches := h.cursor.Start()
	h.unswept, h.swept = !watches || h.number(h.cursor.last) > h.server.rv, false
	h.connect()
}

// undo has workers hold, when a backup is restored, what came after it. Nothing is written
// after that which would hide what goes wrong.
func (h *history) undo(l *lane) {
	h.store.failing, l.stands = false, ""
	for range 1 + h.r.IntN(3) {
		names := "abcdef"[:1+h.r.IntN(6)] // of the objects that come and go
		for range h.r.IntN(100) {         // there is less under way then
			l.stream.step(l)
			l.work()
		}
		h.commitNow()
		l.server.backup = l.server.copy()
		for range 1 + h.r.IntN(2) {
			l.server.names = names
			for range 1 + h.r.IntN(4) {
				l.write(func() { l.server.writeOr(h.r, 0.8) })
			}
			l.server.names = ""
			for range 4 + h.r.IntN(16) {
				l.stream.step(l)
			}
			for range h.r.IntN(8) {
				l.work()
			}
			if h.r.IntN(2) == 0 {
				h.commitNow()
			}
		}
		if h.r.IntN(4) == 0 {
			h.crash()
		}
		l.restore()
		busy := 0.05
		if h.r.IntN(2) == 0 { // what is refused meanwhile may be all that there is
			busy = 0.5
		}
		for range h.r.IntN(40) {
			l.stream.step(l)
			if h.r.Float64() < busy {
				l.work()
			}
		}
		if h.r.IntN(2) == 0 {
			h.commitNow()
			h.crash()
		}
	}
}

func TestRandomHistories(t *testing.T) {
	refused, ghosts, cut, alone, held := 0, 0, 0, 0, 0 // histories with at least one
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		h := newHistory(t, fmt.Sprint("seed ", seed), rand.New(rand.NewPCG(seed, 1)))
		h.steps = seed%2 > 0
		for range 1000 {
			h.step()
		}
		for _, l := range h.lanes {
			h.undo(l)
		}
		if h.settle(); t.Failed() {
			return
		}
		refused, ghosts, cut, alone = refused+min(h.refused, 1), ghosts+min(h.ghosts, 1), cut+min(h.cut, 1), alone+min(h.alone, 1)
		held += min(h.held, 1)
	}
	t.Logf("of %d histories %d have dead letters, %d send one again whose name is taken, %d end a process between a refusal and its ack, in %d a change waits for ghosts, in %d the cluster leaves while a sink holds changes", *seeds, refused, ghosts, cut, alone, held)
	if *seeds >= 100 && min(refused, ghosts, cut, alone, held) < *seeds/10 {
		t.Error("that is too few: this tests little of dead letters, of many ghosts, or of leaves")
	}
}

// script is a source that a fuzzer writes. When it has come to its end, it
// only says zero.
type script []byte

func (s *script) IntN(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

func (s *script) Float64() float64                   { return float64(s.IntN(256)) / 256 }
func (s *script) Shuffle(n int, swap func(i, j int)) { rand.New(rand.NewPCG(1, 1)).Shuffle(n, swap) }

// FuzzHistories lets the fuzzer choose what happens when, with a crash possible
// between any two steps.
func FuzzHistories(f *testing.F) {
	for seed := range byte(8) {
		r := rand.NewChaCha8([32]byte{seed})
		b := make([]byte, 300)
		_, _ = r.Read(b) // never fails
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := script(b)
		h := newHistory(t, "script", &s)
		for len(s) > 0 {
			h.step()
		}
		h.settle()
	})
}

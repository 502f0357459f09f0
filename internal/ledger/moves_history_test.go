package ledger

import (
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

var moveSeeds = flag.Int("move-seeds", 100, "histories to play in TestRandomMoves")

// movesHistory is a random interleaving of what happens to one resource with one sink while
// the namespaces in which it is followed change: from all to one, to some of them, to others,
// back to all, and to none. Meanwhile objects change, the sink refuses, streams are claimed one
// by one, the store fails, another cluster takes the place of this one, a backup is restored,
// and the process is killed, also between two steps of a move.
//
// In the end the sink holds what is selected now and nothing else, also one that drops ids that it
// has had, and one that orders by sequence; each UID that is not selected was told to be gone; no
// object went back, neither in its versions nor in its sequences; and what stays is not told again
// by a move at rest.
//
// Some things come in the order of Go maps: a seed that fails may need several runs.
type movesHistory struct {
	t      *testing.T
	r      *rand.Rand
	store  *memStore
	server *moveServer
	sink   *routeSink
	ledger *Ledger

	uid       int      // counts the clusters that have had the name
	follow    []string // the namespaces that are to be followed, "" for all; empty: none is
	selection string   // colours
	where     bool     // they are selected by a rule, and not by labels
	atOnce    int      // objects in a step of a move
	restored  bool     // some backup was
	revived   bool     // see noteRevived
	frozen    int      // version to which a backup was restored, until that is noticed; 0: nothing is to be
	tells     []string // states that the sink has accepted, since it was cleared
	early     []string // what was wrong before the end

	// The process, gone with a kill.
	streams map[string]*moveStream // claimed, by namespace
	lane    map[string]routed
	batch   []routed // begun
	ghosts  map[string][]string
	next    int
	acks    []routed // delivered
	parting *parting

	claiming   bool      // a cursor is being claimed: there is one at a time
	killed     *memStore // what the store had when the process was killed between two steps of a move
	committing bool
	resting    bool

	trace      []string
	moved, cut int // steps of moves that another one has followed, and kills there
}

const movesLane = 4

func newMovesHistory(t *testing.T, seed uint64) *movesHistory {
	r := rand.New(rand.NewPCG(seed, 3))
	h := &movesHistory{
		t: t, r: r, store: newMemStore(), server: newMoveServer(), sink: newRouteSink(), selection: "rb",
		where: seed%2 > 0, atOnce: 1 + r.IntN(4), follow: []string{""},
	}
	h.restart(h.store)
	return h
}

func (h *movesHistory) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *movesHistory) log(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

// goOn is a step of what goes on in any case.
func (h *movesHistory) goOn() {
	switch x := h.r.Float64(); {
	case x < 0.2:
		h.write()
	case x < 0.5:
		h.drive()
	case x < 0.8:
		h.work()
	default:
		h.commit(h.r.IntN(3) == 0)
	}
}

func (h *movesHistory) write() {
	if h.frozen > 0 && h.mayResumeBehind() {
		return // nobody could tell once the server has come that far again
	}
	h.frozen = 0
	h.server.write(h.r)
}

// mayResumeBehind reports whether a watch may start from a history that was undone.
func (h *movesHistory) mayResumeBehind() bool {
	is := func(s string) bool { return s != "" && h.number(s) > h.frozen }
	for _, c := range h.ledger.all() {
		if is(c.last) || is(c.head.Resume) {
			return true
		}
		if stored := h.store.heads[c.key]; stored != nil {
			head, err := decodeHead(c.key, stored)
			if err != nil {
				h.t.Fatal(err)
			}
			if is(head.Resume) {
				return true
			}
		}
	}
	return false
}

func (h *movesHistory) step() {
	if h.killed != nil {
		return
	}
	switch x := h.r.Float64(); {
	case x < 0.86:
		h.goOn()
	case x < 0.88:
		h.server.compacted += h.r.IntN(h.server.rv - h.server.compacted + 1)
	case x < 0.90:
		h.server.rv++ // writes to other resources
	case x < 0.92:
		if !h.claiming {
			h.restart(h.store)
		}
	case x < 0.95:
		h.change()
	case x < 0.96:
		h.store.failing = !h.store.failing
	case x < 0.97:
		if len(h.streams) > 0 {
			all := slices.Sorted(maps.Keys(h.streams))
			h.claim(all[h.r.IntN(len(all))], h.r.IntN(2) == 0) // as a new session does, or another owner
		}
	case x < 0.975:
		h.replay()
	case x < 0.98:
		h.replace()
	case x < 0.985:
		if !h.claiming {
			time.Sleep(3 * h.ledger.retention)
			h.ledger.dropUnwatched(time.Now().Add(3 * h.ledger.retention))
		}
	default:
		for _, s := range h.streams { // all break
			s.breakOff()
		}
	}
}

// replay is confirmed once it is stored.
func (h *movesHistory) replay() {
	if len(h.streams) != 1 || h.committing || h.claiming {
		return
	}
	for _, s := range h.streams {
		s.cursor.RaiseDue()
		s.breakOff()
	}
}

// replace puts another cluster in the place of this one.
func (h *movesHistory) replace() {
	if h.claiming || h.frozen > 0 {
		return
	}
	h.uid++
	h.server.replace(1 + h.r.IntN(100))
	clear(h.sink.newest)
	for _, namespace := range slices.Sorted(maps.Keys(h.streams)) {
		h.claim(namespace, false)
	}
}

// restore takes the server back to where it was a while ago. All that the sink has is acked and
// stored, and streams that watch notice it before the server has come that far again.
func (h *movesHistory) restore() {
	h.server.backup = h.server.copied()
	for range h.r.IntN(40) {
		h.goOn()
		if h.r.IntN(20) == 0 {
			h.change()
		}
	}
	if h.rest(); h.server.backup == nil {
		return // of another cluster
	}
	h.server.restore()
	h.restored, h.frozen = true, h.server.rv
	clear(h.sink.newest)
	for _, s := range h.streams {
		s.breakOff()
	}
}

// trouble is a time in which one thing or another happens most, and nothing is written in the
// end that would hide what goes wrong.
func (h *movesHistory) trouble() {
	for range 1 + h.r.IntN(5) {
		h.server.keys = moveKeys[h.r.IntN(4) : 4+h.r.IntN(6)]
		var shares [4]float64
		for i := range shares {
			shares[i] = h.r.ExpFloat64()
		}
		shares[0], shares[1] = shares[0]/4*float64(h.r.IntN(2)), shares[1]/20*float64(h.r.IntN(2))
		for range h.r.IntN(60) {
			switch pick(h.r, shares[:]) {
			case 0:
				h.write()
			case 1:
				h.commit(true)
			case 2:
				h.drive()
			case 3:
				h.work()
			}
		}
		switch h.r.IntN(5) {
		case 0:
			h.restart(h.store)
		case 1:
			if all := slices.Sorted(maps.Keys(h.streams)); len(all) > 0 {
				h.claim(all[h.r.IntN(len(all))], false)
			}
		default:
			h.change()
		}
	}
	h.server.keys = moveKeys
}

func (h *movesHistory) play() []string {
	for range 400 {
		h.step()
	}
	h.check("in the middle")
	for i := range 4 {
		if len(h.early) > 0 {
			return h.early
		}
		if i == 2 {
			h.restore()
		}
		h.trouble()
		h.check(fmt.Sprint("after trouble ", i))
	}
	for _, follow := range [][]string{movesFollow[h.r.IntN(7)], movesFollow[h.r.IntN(7)], {""}, {"a"}, {""}} {
		if len(h.early) == 0 {
			h.moveAtRest(follow, h.r.IntN(3))
		}
	}
	return h.early
}

func TestRandomMoves(t *testing.T) {
	moved, cut := 0, 0 // histories with at least one
	for seed := *firstSeed; seed < *firstSeed+uint64(*moveSeeds) && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			h := newMovesHistory(t, seed)
			if wrong := h.play(); len(wrong) > 0 {
				t.Log(strings.Join(h.trace[max(0, len(h.trace)-100):], "\n"))
				t.Errorf("seed %d: %s", seed, strings.Join(wrong, "\n"))
			} else if t.Failed() {
				t.Errorf("seed %d", seed)
			}
			moved, cut = moved+min(h.moved, 1), cut+min(h.cut, 1)
		})
	}
	t.Logf("of %d histories %d have moves of several steps, and %d kill the process between two of them", *moveSeeds, moved, cut)
	if *moveSeeds >= 100 && min(moved, cut) < *moveSeeds/4 {
		t.Error("that is too few: this tests little of moves")
	}
}

// drive is one step of what is read.
func (h *movesHistory) drive() {
	var missing []string
	for _, namespace := range h.follow {
		if h.streams[namespace] == nil {
			missing = append(missing, namespace)
		}
	}
	if len(missing) > 0 && !h.claiming && h.r.IntN(3) == 0 {
		h.claim(missing[h.r.IntN(len(missing))], false)
		return
	}
	if len(h.follow) == 0 {
		h.part()
	}
	if len(h.streams) > 0 {
		all := slices.Sorted(maps.Keys(h.streams))
		h.streams[all[h.r.IntN(len(all))]].step()
	}
}

// part takes leave of what nobody follows, of one cursor after the other.
func (h *movesHistory) part() {
	if len(h.lane) >= movesLane || h.claiming {
		return
	}
	if h.parting == nil {
		h.watched()
		all := h.ledger.Unwatched("a", time.Now().Add(2*h.ledger.retention))
		if len(all) == 0 {
			return
		}
		slices.SortStableFunc(all, func(a, b *Cursor) int { return min(b.Unacked(), 1) - min(a.Unacked(), 1) })
		x := &parting{cursor: all[0]}
		x.next, x.stop = iter.Pull(x.cursor.Retire())
		h.parting = x
	}
	c := h.parting.cursor
	if d, ok := h.parting.next(); ok {
		h.offerTombstone(d, c)
	} else if c.Unacked() == 0 || !c.Owned() {
		h.endParting()
	}
}

func (h *movesHistory) endParting() {
	if h.parting != nil {
		h.parting.stop()
		h.parting = nil
	}
}

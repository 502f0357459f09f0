package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// tails serves GET /tail: what sinks answer, as one JSON object per line, from now on until
// the client goes or the program stops.
//
// A tail never holds up a delivery. It borrows what recent remembers, some times a second, in
// its own goroutine; who asks for more than that, or reads too slowly, is told how many answers
// were left out. What can be done once for all tails is: filters are compared with an answer
// together, see matches, lines are encoded without the object, and objects are copied, for
// those alone who want them and have room.
type tails struct {
	recent *recent
	stop   <-chan struct{}
	log    logr.Logger
	open   atomic.Int32
}

const (
	mostTails = 64
	tailStep  = 100 * time.Millisecond // between two looks
	tailPause = 4 * tailStep           // if the rate is used up: what it lets through is as much then
	tailQuiet = 15 * time.Second       // after which a blank line shows that somebody is there
	// looksPerObject is how many answers a tail with an expression considers at a look, of those
	// that it can be about, for each object that it has room for. Most of what is beyond has no
	// copy of its object, and could not be shown.
	looksPerObject = 4
)

// ServeHTTP implements http.Handler.
func (t *tails) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, err error) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(api.Error{Error: err.Error()}) // who asked may have gone
	}
	f, err := tailFilterOf(r)
	if err != nil {
		refuse(http.StatusBadRequest, err)
		return
	}
	defer t.open.Add(-1)
	if t.open.Add(1) > mostTails {
		refuse(http.StatusServiceUnavailable, fmt.Errorf("%d tails are open, which is as many as there may be; end one", mostTails))
		return
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Time{}); err != nil { // nothing more is read, and the context ends when the client goes
		t.log.V(1).Info("A tail will end early", "reason", err.Error())
	}
	out := &tailWriter{to: w, rc: rc}
	ended := make(chan struct{})
	defer close(ended)
	defer out.end() // what the server writes after this has as long
	go func() {
		select {
		case <-t.stop:
			out.end() // also of a write that waits for a slow reader
		case <-ended:
		}
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	if err := t.follow(out, r, f); err != nil {
		t.log.V(1).Info("A tail has ended", "reason", err.Error())
	}
}

// follow writes until the client goes or the program stops.
func (t *tails) follow(w *tailWriter, r *http.Request, f *tailFilter) error {
	one := &tail{tailFilter: f, recent: t.recent, at: t.recent.now(), limit: rate.NewLimiter(rate.Limit(f.rate), f.rate)}
	defer t.recent.tail()() // after those who want objects have been told of one less
	one.wanter.filter = f
	defer t.recent.copies.add(&one.wanter)()
	if f.needsObject() {
		one.makeRoom(time.Now())
	}
	if err := w.Flush(); err != nil { // so that the client knows that it has begun
		return err
	}
	next := time.NewTimer(one.untilLook(time.Now()))
	defer next.Stop()
	for last := time.Now(); ; next.Reset(one.untilLook(time.Now())) {
		var now time.Time
		select {
		case <-r.Context().Done():
			return nil
		case <-t.stop:
			return nil
		case now = <-next.C:
		}
		wrote, err := one.lookInto(w, now, now.Sub(last) > tailQuiet)
		if err != nil {
			return err
		}
		if wrote {
			last = now
		}
	}
}

// tailBuffers are for what tails write at a look. Each look has one, since most tails do not look at the
// same time, and it holds what most of them write, which goes out at once.
var tailBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, tailPiece) }}

// lookInto looks, and has what comes of it go out; if that is nothing, a blank line may.
func (t *tail) lookInto(w *tailWriter, now time.Time, blank bool) (wrote bool, err error) {
	t.out = tailBuffers.Get().(*bufio.Writer)
	t.out.Reset(w)
	defer func() {
		t.out.Reset(nil) // else it would hold what has ended
		tailBuffers.Put(t.out)
		t.out = nil
	}()
	wrote, err = t.look(now)
	if err == nil && !wrote && blank {
		wrote, err = true, t.out.WriteByte('\n')
	}
	if err == nil && wrote {
		err = errors.Join(t.out.Flush(), w.Flush())
	}
	return wrote, err
}

// untilLook is how long it is until the next look. All tails look at the same moments, so that
// those within their rate show the same answers, whose lines are encoded once. What is beyond the
// rate is not shown however soon a tail looks, so it waits longer while its rate is used up.
func (t *tail) untilLook(now time.Time) time.Duration {
	step := tailStep
	if t.full {
		step = tailPause
	}
	return step - time.Duration(now.UnixNano()%int64(step))
}

// tail is one reader.
type tail struct {
	*tailFilter

	recent  *recent
	out     *bufio.Writer
	wanter  wanter
	at      uint64 // number of the next answer
	limit   *rate.Limiter
	skipped uint64 // that it has not been told of
	looks   int    // so many more answers its expression may be about, until the next look
	full    bool   // the rate is used up, but for a little
}

// makeRoom says for how many objects there is room until the next look.
func (t *tail) makeRoom(now time.Time) {
	room := int64(t.recent.copies.share())
	if t.where == nil { // what an expression selects is not known before it is copied
		room = min(int64(t.limit.TokensAt(now.Add(t.untilLook(now)))), room)
	}
	t.recent.copies.makeRoom(&t.wanter, room)
}

// look writes what has come since the last one, within the rate.
func (t *tail) look(now time.Time) (wrote bool, err error) {
	room := int(t.limit.TokensAt(now))
	left := room
	t.looks = looksPerObject * t.recent.copies.share()
	for end := t.recent.now(); t.at < end && err == nil; {
		if left == 0 && t.isForAll() {
			t.skipped += end - t.at
			t.at = end
			break
		}
		l := t.recent.borrow(t.at)
		t.skipped += l.missed
		left, err = t.show(l, left)
		t.recent.giveBack(l)
		t.at = l.next
	}
	t.limit.AllowN(now, room-left)
	t.full = left <= room/8 && t.mayPause()
	if t.needsObject() {
		t.makeRoom(now)
	}
	if err == nil && t.skipped > 0 && t.limit.AllowN(now, 1) { // nothing else may come for long
		return true, t.tellSkipped()
	}
	return left < room, err
}

// mayPause reports whether the next look may be later. It may not if the objects of until then would be
// more than there is room for.
func (t *tail) mayPause() bool {
	return !t.needsObject() || float64(t.rate)*tailPause.Seconds() <= float64(t.recent.copies.share())
}

// show writes what of some answers is selected, at most so many, and returns how many more
// there may be. What it does not look at is skipped.
func (t *tail) show(l loan, room int) (left int, err error) {
	for found := t.found(l); !found.isEmpty(); {
		if room == 0 && t.where == nil || t.looks == 0 {
			t.skipped += found.count()
			break
		}
		k := &l.block.answers[found.take()]
		var program *selection.Program
		if t.where != nil {
			if program = t.program(&k.answer); program == nil {
				continue // the expression is about other resources
			}
			t.looks--
		}
		var object *copied
		if t.needsObject() {
			object = k.object.Load()
		}
		if !selects(program, &k.answer, object) { // also without room: it is not skipped
			continue
		}
		if room == 0 || t.needsObject() && k.hasObject && object == nil {
			t.skipped++
			continue
		}
		if !t.objects {
			object = nil
		}
		line, err := k.lineWith(object)
		if err != nil {
			return room, err
		}
		room--
		if err := t.tellSkipped(); err != nil {
			return room, err
		}
		if err := line.writeTo(t.out); err != nil {
			return room, err
		}
	}
	return room, nil
}

// isForAll reports whether the filter lets everything through.
func (t *tail) isForAll() bool {
	return t.where == nil && t.clusters.all() && t.resources.all() && t.namespaces.all() && t.routes.all() && t.ops == 0
}

func (t *tail) tellSkipped() error {
	if t.skipped == 0 {
		return nil
	}
	line := append(t.out.AvailableBuffer(), `{"skipped":`...) // an api.Answer, some times a second
	line = append(strconv.AppendUint(line, t.skipped, 10), "}\n"...)
	t.skipped = 0
	_, err := t.out.Write(line)
	return err
}

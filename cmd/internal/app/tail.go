package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	out := bufio.NewWriterSize(w, 16<<10)
	one := &tail{tailFilter: f, recent: t.recent, out: out, at: t.recent.now(), limit: rate.NewLimiter(rate.Limit(f.rate), f.rate)}
	defer t.recent.tail()() // after those who want objects have been told of one less
	one.wanter.filter = f
	defer t.recent.copies.add(&one.wanter)()
	if f.needsObject() {
		one.makeRoom()
	}
	if err := w.Flush(); err != nil { // so that the client knows that it has begun
		return err
	}
	next := time.NewTimer(untilLook(time.Now()))
	defer next.Stop()
	for last := time.Now(); ; next.Reset(untilLook(time.Now())) {
		var now time.Time
		select {
		case <-r.Context().Done():
			return nil
		case <-t.stop:
			return nil
		case now = <-next.C:
		}
		wrote, err := one.look(now)
		if err == nil && !wrote && now.Sub(last) > tailQuiet {
			wrote, err = true, out.WriteByte('\n')
		}
		if err != nil {
			return err
		}
		if wrote {
			last = now
			if err := errors.Join(out.Flush(), w.Flush()); err != nil {
				return err
			}
		}
	}
}

// untilLook is how long it is until the next look. All tails look at the same moments, so that
// those within their rate show the same answers, whose lines are encoded once.
func untilLook(now time.Time) time.Duration {
	return tailStep - time.Duration(now.UnixNano()%int64(tailStep))
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
}

// makeRoom says for how many objects there is room until the next look.
func (t *tail) makeRoom() {
	room := int64(t.recent.copies.share())
	if t.where == nil { // what an expression selects is not known before it is copied
		room = min(int64(t.limit.Tokens()), room)
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
	if t.needsObject() {
		t.makeRoom()
	}
	if err == nil && t.skipped > 0 && t.limit.AllowN(now, 1) { // nothing else may come for long
		return true, t.tellSkipped()
	}
	return left < room, err
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
	line, err := encodedLine(&api.Answer{Skipped: t.skipped})
	if err != nil {
		return err
	}
	t.skipped = 0
	_, err = t.out.Write(line)
	return err
}

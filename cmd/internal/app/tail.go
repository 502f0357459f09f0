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
)

// tails serves GET /tail: what sinks answer, as one JSON object per line, from now on until
// the client goes or the program stops.
//
// A tail never holds up a delivery. It looks for itself what recent remembers, some times a
// second, and who asks for more than that, or reads too slowly, is told how many answers were
// left out. Objects are copied for those alone who want them and have room.
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
	// whereRoom is how many objects are copied for a tail with an expression from one look to
	// the next: most may not be selected.
	whereRoom = 128
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
	if f.needsObject() {
		one.wanter.wants = f.wants
		defer t.recent.forgetObjects()
		defer t.recent.copies.add(&one.wanter)()
		one.makeRoom()
	}
	out := bufio.NewWriterSize(w, 16<<10)
	one.lines = json.NewEncoder(out)
	one.lines.SetEscapeHTML(false)
	if err := w.Flush(); err != nil { // so that the client knows that it has begun
		return err
	}
	ticker := time.NewTicker(tailStep)
	defer ticker.Stop()
	for last := time.Now(); ; {
		var now time.Time
		select {
		case <-r.Context().Done():
			return nil
		case <-t.stop:
			return nil
		case now = <-ticker.C:
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

// tail is one reader.
type tail struct {
	*tailFilter

	recent  *recent
	wanter  wanter
	at      uint64 // number of the next answer
	limit   *rate.Limiter
	lines   *json.Encoder
	batch   []answer
	skipped uint64 // that it has not been told of
}

// makeRoom says for how many objects there is room until the next look.
func (t *tail) makeRoom() {
	room := int64(whereRoom)
	if t.where == nil {
		room = int64(min(t.limit.Tokens(), whereRoom))
	}
	t.wanter.room.Store(room)
}

// look writes what has come since the last one.
func (t *tail) look(now time.Time) (wrote bool, err error) {
	for end := t.recent.now(); t.at < end; {
		room := int(t.limit.TokensAt(now))
		if room < 1 && t.isForAll() {
			t.skipped += end - t.at
			t.at = end
			break
		}
		if t.where != nil && room > 0 {
			room = scanned // not all of them are shown
		}
		t.batch = t.batch[:0]
		next, missed := t.recent.scan(t.at, func(a *answer) {
			switch {
			case !t.matches(a.route, &a.key, a.resource.Resource, a.op):
			case len(t.batch) >= room, t.needsObject() && a.omitted:
				t.skipped++
			default:
				t.batch = append(t.batch, *a)
			}
		})
		t.skipped += missed
		t.at = next
		shown, err := t.show(now)
		if wrote = wrote || shown; err != nil {
			return true, err
		}
	}
	if t.needsObject() {
		t.makeRoom()
	}
	if t.skipped > 0 && t.limit.AllowN(now, 1) { // nothing else may come for long
		return true, t.tellSkipped()
	}
	return wrote, nil
}

// show writes what of the batch is selected, and within the rate.
func (t *tail) show(now time.Time) (wrote bool, err error) {
	defer clear(t.batch) // of objects
	for i := range t.batch {
		a := &t.batch[i]
		if !t.selects(a) {
			continue
		}
		if !t.limit.AllowN(now, 1) {
			t.skipped++
			continue
		}
		if err := t.tellSkipped(); err != nil {
			return true, err
		}
		if err := t.lines.Encode(t.line(a)); err != nil {
			return true, err
		}
		wrote = true
	}
	return wrote, nil
}

// isForAll reports whether the filter lets everything through.
func (t *tail) isForAll() bool {
	return t.where == nil && len(t.clusters)+len(t.resources)+len(t.namespaces)+len(t.routes)+len(t.ops) == 0
}

func (t *tail) tellSkipped() error {
	if t.skipped == 0 {
		return nil
	}
	n := t.skipped
	t.skipped = 0
	return t.lines.Encode(api.Answer{Skipped: n})
}

func (t *tail) line(a *answer) *api.Answer {
	l := &api.Answer{
		Route: a.route, ID: a.id(), Op: a.op.String(), Cluster: a.key.Cluster, Resource: a.key.Resource,
		Namespace: a.key.Namespace, Name: a.key.Name, UID: string(a.uid), ResourceVersion: a.version,
		Snapshot: a.snapshot, Tombstone: a.tombstone, At: a.at, Refused: a.refused, DeadLettered: a.dead,
	}
	if !a.observed.IsZero() {
		l.LagSeconds = a.at.Sub(a.observed).Seconds()
	}
	if t.objects {
		l.Object = a.object
	}
	return l
}

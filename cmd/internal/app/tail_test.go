package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

var podsOrigin = &pipeline.Origin{Cluster: "alpha", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true}

func podDelivery(name string, version int, object string) stage.Delivery {
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "n", Name: name}, Origin: podsOrigin, Op: pipeline.Updated,
		UID: "u", ResourceVersion: fmt.Sprint(version), Observed: time.Now(),
	}
	if object != "" {
		c.Object = []byte(object)
	}
	return stage.Delivery{Change: c}
}

// The last answers are remembered, and which one of an object was accepted last.
func TestRecent(t *testing.T) {
	var r recent
	if _, ok := r.last("file:x", pipeline.Key{}); ok {
		t.Error("found something in nothing")
	}
	for i := range mostRecent + blockSize + 100 {
		r.observe("file:x", podDelivery(fmt.Sprint(i), i, ""))
	}
	refused := podDelivery("150", 200, "")
	refused.Refused = errors.New("no")
	r.observe("file:x", refused)
	r.observe("file:y", podDelivery("150", 300, ""))
	key := refused.Change.Key
	if a, ok := r.last("file:x", key); !ok || a.version != "150" || a.id() != "/v1/pods/u/150" {
		t.Errorf("last of 150: %+v, %v", a, ok)
	}
	key.Name = fmt.Sprint(mostRecent + blockSize + 99)
	if _, ok := r.last("file:x", key); !ok {
		t.Error("the newest is not found")
	}
	key.Name = "50"
	if _, ok := r.last("file:x", key); ok {
		t.Error("what is forgotten is found")
	}
	l := r.borrow(10)
	defer r.giveBack(l)
	if l.missed != blockSize-10 || len(l.answers) != blockSize || l.next != 2*blockSize || l.answers[0].version != fmt.Sprint(blockSize) {
		t.Errorf("borrowed %d from %s, %d missed, next %d", len(l.answers), l.answers[0].version, l.missed, l.next)
	}
	if l := r.borrow(r.now()); l.block != nil || l.missed != 0 || l.next != r.now() {
		t.Errorf("borrowed %d of what has not come yet", len(l.answers))
	}
}

// What a reader has borrowed stays as it is, however much is remembered after it, and blocks
// that nobody has borrowed are used anew.
func TestBorrowedAnswersStay(t *testing.T) {
	var r recent
	for i := range blockSize {
		r.observe("file:x", podDelivery("a", i, ""))
	}
	l := r.borrow(0)
	free := r.blocks[0]
	for i := range 3 * mostRecent {
		r.observe("file:x", podDelivery("a", blockSize+i, ""))
	}
	for i := range l.answers {
		if got := l.answers[i].version; got != fmt.Sprint(i) {
			t.Fatalf("the answer %d has become %s", i, got)
		}
	}
	for i := range r.blocks {
		if r.blocks[i] == free {
			t.Error("a block is used anew that somebody has borrowed")
		}
	}
	r.giveBack(l)
	before := r.blocks
	for i := range 3 * mostRecent {
		r.observe("file:x", podDelivery("a", i, ""))
	}
	if r.blocks != before {
		t.Error("blocks are not used anew that nobody has borrowed")
	}
}

// Many readers see each answer once and in order, or are told that they missed it, while
// stages go on.
func TestManyReadersOfRecent(t *testing.T) {
	var r recent
	const n = 10 * mostRecent
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for at := uint64(0); at < n; {
				l := r.borrow(at)
				if l.next != at+l.missed+uint64(len(l.answers)) {
					t.Errorf("from %d: %d missed, %d borrowed, next %d", at, l.missed, len(l.answers), l.next)
				}
				for i := range l.answers {
					if got, want := l.answers[i].generation, uint32(at+l.missed)+uint32(i); got != want {
						t.Errorf("the answer %d is %d", want, got)
					}
				}
				r.giveBack(l)
				if at = l.next; l.block == nil {
					runtime.Gosched()
				}
			}
		})
	}
	d := podDelivery("a", 1, "")
	for i := range n {
		d.Change.Generation = uint32(i)
		r.observe("file:x", d)
	}
	readers.Wait()
}

// Objects are copied for who wants them and has room, within a bound, and given up at the end.
func TestCopiesOfObjects(t *testing.T) {
	var r recent
	object := `{"x":"` + strings.Repeat("a", 1<<20) + `"}`
	r.observe("file:x", podDelivery("a", 1, object))
	w := &wanter{filter: &tailFilter{objects: true, namespaces: namesOf([]string{"n"})}}
	remove := r.copies.add(w)
	r.observe("file:x", podDelivery("a", 2, object)) // there is no room
	r.copies.makeRoom(w, 2)
	d := podDelivery("a", 3, object)
	r.observe("file:x", d)
	clear(d.Change.Object) // whose memory is another object's now
	other := podDelivery("b", 4, object)
	other.Change.Key.Namespace = "m"
	r.observe("file:x", other)
	r.observe("file:x", podDelivery("a", 5, object))
	r.observe("file:x", podDelivery("a", 6, object))
	var copied []string
	l := r.borrow(0)
	for i := range l.answers {
		if of := l.answers[i].object.Load(); of != nil {
			copied = append(copied, l.answers[i].version+string(of.object[:6]))
		}
	}
	r.giveBack(l)
	if got := strings.Join(copied, " "); got != `3{"x":" 5{"x":"` {
		t.Errorf("copied: %s", got)
	}
	if n := r.copies.roomy.Load(); n != 0 {
		t.Errorf("%d have room, though it is used up", n)
	}
	r.copies.makeRoom(w, 1<<40)
	for i := range 100 {
		r.observe("file:x", podDelivery("a", 10+i, object))
	}
	if r.bytes > mostCopied || r.bytes < mostCopied/2 {
		t.Errorf("%d bytes are copied", r.bytes)
	}
	if r.atLocked(r.next-1).object.Load() == nil {
		t.Error("the newest is not copied; the oldest are to go")
	}
	for i := range 3 * mostRecent {
		r.observe("file:x", podDelivery("a", 10+i, "{}"))
	}
	if least, most := 2*mostRecent, 2*(mostRecent+blockSize); r.bytes < least || r.bytes > most {
		t.Errorf("%d bytes are copied, want those that are remembered, %d to %d", r.bytes, least, most)
	}
	r.forget()
	if r.bytes == 0 {
		t.Error("objects are given up that somebody wants")
	}
	remove()
	if n := r.copies.roomy.Load(); n != 0 {
		t.Errorf("%d have room, and all have gone", n)
	}
	r.forget()
	if r.bytes != 0 {
		t.Errorf("%d bytes are kept for nobody", r.bytes)
	}
}

// tailServer serves the tails of a recent that the test feeds.
func tailServer(t *testing.T) (r *recent, url string, stop func()) {
	r = &recent{}
	stopping := make(chan struct{})
	s := httptest.NewServer(&tails{recent: r, stop: stopping, log: logr.Discard()})
	t.Cleanup(s.Close)
	return r, s.URL + "/tail", func() { close(stopping) }
}

// openTail begins a tail, which ends with the test.
func openTail(t *testing.T, url, query string) (next func() api.Answer, resp *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, url+"?"+query, nil))(t)
	resp = must(http.DefaultClient.Do(req))(t)
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	return func() (a api.Answer) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the tail has ended: %v", err)
			}
			if strings.TrimSpace(line) == "" {
				continue
			}
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return a
		}
	}, resp
}

func TestTailShowsWhatItsFilterSays(t *testing.T) {
	r, url, _ := tailServer(t)
	r.observe("file:x", podDelivery("before", 1, "{}"))
	all, _ := openTail(t, url, "")
	some, _ := openTail(t, url, "resource=pods&route=file:y&objects=true&where=pods:+object.spec.x+==+1")
	deletions, _ := openTail(t, url, "op=deleted&cluster=alpha,beta")
	another := podDelivery("e", 1, "")
	another.Change.Op, another.Change.Key.Resource = pipeline.Deleted, "secrets"
	another.Change.Origin = &pipeline.Origin{Cluster: "alpha", Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}}
	shared, _ := openTail(t, url, "where=pods:+object.spec.x+==+1")
	r.observe("file:y", another) // a deletion of what the expression is not about
	r.observe("file:x", podDelivery("a", 2, `{"spec":{"x":1}}`))
	r.observe("file:y", podDelivery("b", 3, `{"spec":{"x":2}}`))
	r.observe("file:y", podDelivery("c", 4, `{"spec":{"x":1}}`))
	gone := podDelivery("d", 5, "")
	gone.Change.Op, gone.Change.Tombstone, gone.Refused = pipeline.Deleted, true, errors.New("locked")
	r.observe("file:x", gone)
	if got := shared(); got.Name != "a" {
		t.Errorf("of the pods: %+v, want a", got)
	}
	for _, want := range []string{"e", "a", "b", "c", "d"} {
		if got := all(); got.Name != want || got.Object != nil {
			t.Errorf("all: %+v, want %s without its object", got, want)
		}
	}
	if got := some(); got.Name != "c" || string(got.Object) != `{"spec":{"x":1}}` || got.ID != "/v1/pods/u/4" || got.Route != "file:y" {
		t.Errorf("some: %+v", got)
	}
	if got := deletions(); got.Name != "e" {
		t.Errorf("deletions: %+v", got)
	}
	if got := deletions(); got.Name != "d" || got.Refused != "locked" || !got.Tombstone || got.ID != "/v1/pods/u/5/deleted" {
		t.Errorf("deletions: %+v", got)
	}
}

// What is beyond the rate is counted.
func TestTailSaysWhatItSkipped(t *testing.T) {
	r, url, _ := tailServer(t)
	next, _ := openTail(t, url, "rate=10")
	const n = 3 * mostRecent
	for i := range n {
		r.observe("file:x", podDelivery("a", i, ""))
	}
	shown, skipped := 0, 0
	for shown+skipped < n {
		if a := next(); a.Skipped > 0 {
			skipped += int(a.Skipped)
		} else {
			shown++
		}
	}
	if shown+skipped != n || shown > 200 || shown == 0 {
		t.Errorf("%d shown and %d skipped, of %d", shown, skipped, n)
	}
}

// A reader that does not read holds up nothing, and its tail ends with the program.
func TestTailOfASlowReader(t *testing.T) {
	r, url, stop := tailServer(t)
	_, resp := openTail(t, url, "rate=10000&objects=true")
	object := `{"x":"` + strings.Repeat("a", 64<<10) + `"}`
	for i := range 10 * mostRecent {
		r.observe("file:x", podDelivery("a", i, object)) // returns, whatever becomes of the reader
	}
	stop()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Logf("it ends in the middle of a line: %v", err)
	}
}

// deadlines notes the deadlines that are set.
type deadlines struct {
	*httptest.ResponseRecorder

	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

// Each piece has its own time, and once the tail is to end, nothing gives it more.
func TestTailWriterOwnsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		w := &tailWriter{to: d, rc: http.NewResponseController(d)}
		began := time.Now()
		if n, err := w.Write(make([]byte, 2*tailPiece+1)); err != nil || n != d.Body.Len() || n != 2*tailPiece+1 {
			t.Errorf("%d written, %v", n, err)
		}
		if err := w.Flush(); err != nil {
			t.Error(err)
		}
		w.end()
		for range 2 {
			if _, err := w.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			w.end()
		}
		patient := began.Add(tailPatience)
		if diff := cmp.Diff([]time.Time{patient, patient, patient, patient, began.Add(tailEnd)}, d.set); diff != "" {
			t.Errorf("deadlines (-want +got):\n%s", diff)
		}
	})
}

func TestTailEndsWithTheProgram(t *testing.T) {
	_, url, stop := tailServer(t)
	_, resp := openTail(t, url, "")
	stop()
	if text, err := io.ReadAll(resp.Body); err != nil || strings.TrimSpace(string(text)) != "" {
		t.Errorf("%q, %v; want an end", text, err)
	}
}

func TestTailsAreBounded(t *testing.T) {
	_, url, _ := tailServer(t)
	for range mostTails {
		openTail(t, url, "")
	}
	_, resp := openTail(t, url, "")
	text := must(io.ReadAll(resp.Body))(t)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "64 tails are open") {
		t.Errorf("one too many: %d %s", resp.StatusCode, text)
	}
}

func TestTailRefusesWhatItCannotRead(t *testing.T) {
	_, url, _ := tailServer(t)
	for query, want := range map[string]string{
		"op=gone": "added, updated and deleted", "rate=0": "1 to 10000", "objects=1": "neither true nor false",
		"where=object.x": "names no resource", "where=pods:+(": "where", "color=red": "unknown parameter",
	} {
		_, resp := openTail(t, url, query)
		if text := must(io.ReadAll(resp.Body))(t); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d %s", query, resp.StatusCode, text)
		}
	}
}

// BenchmarkRecent is what each answer of a sink costs its stage.
func BenchmarkRecent(b *testing.B) {
	object := strings.Repeat("a", 2<<10)
	for name, objects := range map[string]int64{"alone": 0, "50 tails of objects without room": -1, "50 tails of other objects": 2, "50 tails of objects": 1 << 62} {
		b.Run(name, func(b *testing.B) {
			var r recent
			filter := &tailFilter{objects: true}
			if objects == 2 {
				filter.clusters, filter.namespaces = namesOf([]string{"alpha", "beta"}), namesOf([]string{"other"})
			}
			for range 50 {
				if objects != 0 {
					w := &wanter{filter: filter}
					r.copies.add(w)
					r.copies.makeRoom(w, objects)
				}
			}
			d := podDelivery("a", 1, object)
			d.Change.UID = types.UID("0a1b2c3d-0000-4000-8000-000000000001")
			b.ReportAllocs()
			for b.Loop() {
				r.observe("file:x", d)
			}
		})
	}
}

package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// lookingTail makes a tail that the test has look, with a wanter of as many objects as it may show.
func lookingTail(t testing.TB, r *recent, w io.Writer, query url.Values) (one *tail, end func()) {
	t.Helper()
	f := must(tailFilterOf(httptest.NewRequest(http.MethodGet, "/tail?"+query.Encode(), nil)))(t)
	one = &tail{tailFilter: f, recent: r, out: bufio.NewWriter(w), at: r.now(), limit: rate.NewLimiter(rate.Limit(f.rate), f.rate)}
	one.wanter.filter = f
	forget, remove := r.tail(), r.copies.add(&one.wanter)
	if f.needsObject() {
		one.makeRoom(time.Now())
	}
	return one, func() { remove(); forget() }
}

// copiedBytes is what the copies take that are remembered.
func copiedBytes(r *recent) (bytes, lines int) {
	for _, b := range r.blocks {
		if b == nil {
			continue
		}
		for i := range b.answers {
			if o := b.answers[i].object.Load(); o != nil {
				bytes += len(o.object)
			}
			if b.answers[i].line.Load() != nil {
				lines++
			}
		}
	}
	return bytes, lines
}

// The index finds those whose filters match, and no others.
func TestWantersAreFound(t *testing.T) {
	var c copies
	names := []string{"", "a", "a,b", "a,b,c,d,e,f,g,h,i,j", "z"}
	var wanters []*wanter
	for i := range mostWanters {
		f := &tailFilter{}
		for j, of := range []*nameSet{&f.clusters, &f.resources, &f.namespaces, &f.routes} {
			if list := names[(i*(j+3)+i/5)%len(names)]; list != "" && (i+j)%3 != 0 {
				*of = namesOf(strings.Split(list, ","))
			}
		}
		f.ops = uint(i % 8 << 1)
		w := &wanter{filter: f}
		wanters = append(wanters, w)
		c.add(w)
	}
	late := &wanter{filter: &tailFilter{}}
	c.add(late)
	if c.makeRoom(late, 1); late.bit != 0 || c.roomy.Load() != 0 {
		t.Error("one too many has room")
	}
	found := 0
	for _, cluster := range []string{"a", "j", "z", "x"} {
		for _, name := range []string{"a", "b", "z", "x"} {
			for op := pipeline.Added; op <= pipeline.Deleted; op++ {
				key := pipeline.Key{Cluster: cluster, Resource: name + ".x", Namespace: name}
				who := c.index.Load().who(cluster, &key, name, op)
				for i, w := range wanters {
					want := w.filter.matches(cluster, &key, name, op)
					if got := who&w.bit != 0; got != want {
						t.Errorf("%s %s %s: the reader %d is found: %v, want %v", cluster, name, op, i, got, want)
					}
					if want {
						found++
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("nobody wants anything")
	}
}

// What an expression does not select is not told as skipped, and takes nothing of the rate.
func TestSkippedIsWhatIsSelected(t *testing.T) {
	var r recent
	var b strings.Builder
	one, end := lookingTail(t, &r, &b, url.Values{"rate": {"1"}, "where": {`*:object['x'] == "y"`}})
	defer end()
	r.observe("x", podDelivery("a", 1, `{"x":"y"}`))
	for range 100 {
		r.observe("x", podDelivery("a", 1, `{"x":"n"}`))
	}
	now := time.Now()
	for i := range 2 {
		if _, err := one.look(now.Add(time.Duration(i) * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.out.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "skipped") {
		t.Errorf("shown: %s", got)
	}
}

// A line is what encoding all of it at once makes, but for spaces, whatever the object looks like.
func TestLineWithObject(t *testing.T) {
	for _, object := range []string{`{"a":"<b>"}`, "{\n \"a\": [1, 2]\n}", ""} {
		k := &kept{answer: answer{route: "file:x", key: pipeline.Key{Cluster: "c", Name: "n"}, op: pipeline.Added, refused: "no <way>"}}
		for range 2 { // made, and remembered
			l := must(k.lineWith(&copied{object: jsontext.AppendOneLine(nil, []byte(object))}))(t)
			var b bytes.Buffer
			w := bufio.NewWriter(&b)
			if err := errors.Join(l.writeTo(w), w.Flush()); err != nil {
				t.Fatal(err)
			}
			a := k.said()
			a.Object = json.RawMessage(object)
			text, ended := strings.CutSuffix(b.String(), "\n")
			var got bytes.Buffer
			if err := json.Compact(&got, []byte(text)); err != nil || !ended || strings.ContainsAny(text, "\r\n") {
				t.Fatalf("%q: the line is %q: %v", object, b.String(), err)
			}
			if want := must(encodedLine(a))(t); got.String()+"\n" != string(want) {
				t.Errorf("%q: got %s, want %s", object, text, want)
			}
		}
	}
}

// Lines are kept while there is a tail, and long ones never.
func TestLinesGoWithTheLastTail(t *testing.T) {
	var r recent
	one, end := lookingTail(t, &r, io.Discard, nil)
	other, endOther := lookingTail(t, &r, io.Discard, nil)
	r.observe("x", podDelivery("a", 1, ""))
	long := podDelivery("a", 2, "")
	long.Refused = errors.New(strings.Repeat("\x01", 500))
	r.observe("x", long)
	for _, each := range []*tail{one, other} {
		if _, err := each.look(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for i, after := range []func(){func() {}, end, endOther} {
		after()
		if _, lines := copiedBytes(&r); lines != 1-i/2 {
			t.Errorf("%d lines are kept after %d tails have ended", lines, i)
		}
	}
}

// Nothing is kept for those who have gone while it was copied.
func TestNoCopyForNobody(t *testing.T) {
	var r recent
	w := &wanter{filter: &tailFilter{objects: true}}
	remove := r.copies.add(w)
	r.copies.makeRoom(w, 1)
	r.mu.Lock() // the stage decides that there is to be a copy, and waits
	var stage sync.WaitGroup
	stage.Go(func() { r.observe("x", podDelivery("a", 1, "{}")) })
	for w.room.Load() > 0 {
		runtime.Gosched()
	}
	remove()
	r.mu.Unlock()
	stage.Wait()
	if r.next != 1 || r.bytes != 0 || r.atLocked(0).object.Load() != nil {
		t.Errorf("%d bytes are kept for nobody", r.bytes)
	}
}

// The oldest copies that are remembered go first.
func TestOldestCopiesGo(t *testing.T) {
	var r recent
	w := &wanter{filter: &tailFilter{objects: true}}
	r.copies.add(w)
	r.copies.makeRoom(w, 1<<40)
	for range blockSize - 1 {
		r.observe("x", podDelivery("a", 1, strings.Repeat("a", 130<<10)))
	}
	for r.next < blocks*blockSize-11 {
		r.observe("x", podDelivery("a", 1, ""))
	}
	for range 10 {
		r.observe("x", podDelivery("a", 1, strings.Repeat("a", 10<<10)))
	}
	r.observe("x", podDelivery("a", 1, strings.Repeat("a", 512<<10)))
	for i := uint64(blocks*blockSize - 11); i < r.next; i++ {
		if r.atLocked(i).object.Load() == nil {
			t.Errorf("the copy %d is given up, and older ones are kept", i)
		}
	}
}

// Tails come, show, block and go while stages go on; what is counted is what is kept.
func TestRecentUnderLoad(t *testing.T) {
	var r recent
	var stages, tails sync.WaitGroup
	stop := make(chan struct{})
	blocked, endBlocked := lookingTail(t, &r, io.Discard, url.Values{"objects": {"true"}})
	r.observe("x", podDelivery("first", 1, `{"x":"y"}`))
	l := r.borrow(blocked.at) // as if its writer did not return
	for _, query := range []url.Values{
		{}, {"objects": {"true"}}, {"objects": {"true"}, "where": {`*:object['x'] != "y"`}}, {"cluster": {"other"}, "objects": {"true"}},
	} {
		query.Set("rate", "10000")
		tails.Go(func() {
			for {
				one, end := lookingTail(t, &r, io.Discard, query)
				for range 20 {
					if _, err := one.look(time.Now()); err != nil {
						t.Error(err)
					}
				}
				end()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 2 {
		stages.Go(func() {
			object := `{"x":"n","y":"` + strings.Repeat("a", 5000) + `"}`
			for i := range 2 * blocks * blockSize {
				d := podDelivery(fmt.Sprint(i), i, object)
				if i%3 == 0 {
					d.Change.Object = nil
				}
				r.observe("x", d)
				clear(d.Change.Object)
			}
		})
	}
	stages.Wait()
	close(stop)
	tails.Wait()
	if sum, _ := copiedBytes(&r); sum != r.bytes || sum > mostCopied {
		t.Errorf("%d bytes are counted, and %d kept", r.bytes, sum)
	}
	if l.answers[0].key.Name != "first" || l.answers[0].object.Load() != nil {
		t.Errorf("what is borrowed has become %s, with an object: %v", l.answers[0].key.Name, l.answers[0].object.Load() != nil)
	}
	line := must(l.answers[0].lineWith(nil))(t)
	if a := new(api.Answer); json.Unmarshal(line.text, a) != nil || a.Name != "first" {
		t.Errorf("it shows %s", line.text)
	}
	r.giveBack(l)
	endBlocked()
	if sum, lines := copiedBytes(&r); sum != 0 || r.bytes != 0 || lines != 0 || r.copies.roomy.Load() != 0 {
		t.Errorf("after all: %d bytes, %d counted, %d lines, %b have room", sum, r.bytes, lines, r.copies.roomy.Load())
	}
}

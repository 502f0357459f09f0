package httpsink_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// poisoned is a server that answers so for what holds one of some names.
func poisoned(t testing.TB, answer func(http.ResponseWriter), names ...string) (*server, *atomic.Int32) {
	good := &atomic.Int32{}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		for _, name := range names {
			if strings.Contains(string(text), `"`+name+`"`) {
				answer(w)
				return
			}
		}
		good.Add(1)
	}), good
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// aborted is what a client sees of a receiver whose process dies on it.
func aborted(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// deliver writes as the batcher does, until all were accepted or refused, and returns what
// was refused.
func deliver(t *testing.T, sink pipeline.Sink, pending []*pipeline.Change) map[string]error {
	t.Helper()
	refused := map[string]error{}
	for range 100 {
		if len(pending) == 0 {
			return refused
		}
		err := sink.Write(t.Context(), pending)
		partial, is := errors.AsType[*pipeline.BatchError](err)
		switch {
		case err == nil:
			return refused
		case pipeline.IsPermanent(err):
			t.Fatalf("refused for good: %v", err)
		case !is:
			continue
		}
		var left []*pipeline.Change
		for i, c := range pending {
			reason := partial.Failed[i]
			switch {
			case refused[c.Key.Name] != nil: // it is behind one that comes again
			case pipeline.IsOutage(reason):
				left = append(left, c)
			case reason != nil:
				refused[c.Key.Name] = reason
			}
		}
		pending = left
	}
	t.Errorf("%d changes are left, after these were refused: %v", len(pending), refused)
	return refused
}

// TestOneObjectStopsNoRoute, whatever the server makes of it: it is found and refused by
// itself, and not for good.
func TestOneObjectStopsNoRoute(t *testing.T) {
	for what, answer := range map[string]func(http.ResponseWriter){"403": status(403), "502": status(502), "504": status(504), "500": status(500), "abort": aborted} {
		for _, format := range []httpsink.Format{httpsink.Batch, httpsink.Structured} {
			for _, connections := range []int{1, 4} {
				for _, name := range []string{"pod-0", "pod-5", "pod-29"} {
					t.Run(fmt.Sprint(what, format, connections, name), func(t *testing.T) {
						s, _ := poisoned(t, answer, name)
						sink := open(t, httpsink.Options{URL: s.URL, Format: format, Connections: connections})
						// Others follow, as they do: of the last object alone nobody can tell whose fault it is.
						changes := append(batchOf(30), pod("another", 1))
						refused := deliver(t, sink, changes)
						if len(refused) != 1 || refused[name] == nil || pipeline.IsPermanent(refused[name]) {
							t.Errorf("refused: %v", refused)
						}
					})
				}
			}
		}
	}
}

// TestSeveralObjectsStopNoRoute: also some that stand in front, one behind the other.
func TestSeveralObjectsStopNoRoute(t *testing.T) {
	names := []string{"pod-0", "pod-1", "pod-2", "pod-3", "pod-17"}
	for _, code := range []int{403, 500} {
		for _, format := range []httpsink.Format{httpsink.Batch, httpsink.Structured} {
			s, _ := poisoned(t, status(code), names...)
			sink := open(t, httpsink.Options{URL: s.URL, Format: format, Connections: 1})
			refused := deliver(t, sink, batchOf(40))
			for _, name := range names {
				if len(refused) != len(names) || refused[name] == nil {
					t.Fatalf("%d, %s: refused: %v", code, format, refused)
				}
			}
		}
	}
}

// TestChangesOfAnObjectStayInOrder while a batch is taken apart.
func TestChangesOfAnObjectStayInOrder(t *testing.T) {
	var mu sync.Mutex
	var got []string
	for _, format := range []httpsink.Format{httpsink.Batch, httpsink.Structured} {
		got = nil
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			if strings.Contains(string(text), "registry/app:13") {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for part := range strings.SplitSeq(string(text), "registry/app:") {
				if version, _, ok := strings.Cut(part, `"`); ok && len(version) == 2 && version > "10" && version < "20" {
					got = append(got, version)
				}
			}
		})
		var changes []*pipeline.Change
		for v := range 5 {
			changes = append(changes, pod("a", 11+v), pod(fmt.Sprint("other-", v), 50))
		}
		refused := deliver(t, open(t, httpsink.Options{URL: s.URL, Format: format}), changes)
		if len(refused) != 1 || refused["a"] == nil || strings.Join(got, " ") != "11 12" {
			t.Errorf("%s: arrived %v, refused %v", format, got, refused)
		}
	}
}

// TestAServerThatFailsOnEverythingIsFailing: one write after a success may be the changes'
// fault. In all others the destination fails, and what leaves the batch does so behind an
// outage.
func TestAServerThatFailsOnEverythingIsFailing(t *testing.T) {
	for _, format := range []httpsink.Format{httpsink.Structured, httpsink.Binary, httpsink.Batch} {
		for _, n := range []int{1, 5, 16} {
			sink := open(t, httpsink.Options{URL: answering(t, 500).URL, Format: format})
			for i := range 40 {
				err := sink.Write(t.Context(), batchOf(n))
				partial, is := errors.AsType[*pipeline.BatchError](err)
				want := i == 0 || n > 1 && i%4 == 3
				if format == httpsink.Batch && n > 1 { // what has not failed alone has to wait for longer
					want = is && i >= 3 && i%4 == 3
				}
				if err == nil || is != want {
					t.Fatalf("%s, %d changes: write %d: %v", format, n, i, err)
				}
				if is && (i > 0 || format == httpsink.Batch && n > 1) && !pipeline.IsOutage(partial.Failed[n-1]) {
					t.Errorf("%s, %d changes: write %d has no outage: %v", format, n, i, err)
				}
			}
		}
	}
}

// TestItemsThatAllFailAreAnOutage: a disk that is full, or an index that is read-only.
func TestItemsThatAllFailAreAnOutage(t *testing.T) {
	for _, code := range []int{403, 429, 503} {
		x := newIndex(t)
		x.status = map[string]int{"a": code, "b": code}
		sink := open(t, httpsink.Options{URL: x.URL, Format: httpsink.Elasticsearch, Index: "objects"})
		for range 20 {
			err := sink.Write(t.Context(), []*pipeline.Change{pod("a", 1), pod("b", 1)})
			if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), fmt.Sprint(code)) {
				t.Fatalf("%d: %v", code, err)
			}
		}
	}
}

// TestAServerThatIsDownGetsFewRequests: three writes of four make one with a connection
// each, the fourth a few, and none more where it is plain that no change is the cause.
func TestAServerThatIsDownGetsFewRequests(t *testing.T) {
	for code, most := range map[int]int32{401: 40, 404: 40, 503: 40, 429: 40, 502: 30 + 10*17, 403: 30 + 10*17} {
		for _, format := range []httpsink.Format{httpsink.Batch, httpsink.Structured} {
			var requests atomic.Int32
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(code)
			})
			sink := open(t, httpsink.Options{URL: s.URL, Format: format, Connections: 1})
			for range 40 {
				err := sink.Write(t.Context(), batchOf(64))
				if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial {
					t.Errorf("%d, %s: %v", code, format, err)
				}
			}
			if n := requests.Load(); n > most {
				t.Errorf("%d, %s: %d requests for 40 writes", code, format, n)
			}
		}
	}
}

// TestHeadersThatAreTooLarge are the change's fault in binary mode, which has it in them.
func TestHeadersThatAreTooLarge(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size := 0
		for name, values := range r.Header {
			size += len(name) + len(strings.Join(values, ""))
		}
		if size > 12<<10 {
			w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		}
	})
	c := pod(strings.Repeat("é", 500), 1)
	c.Key.Namespace = strings.Repeat("ü", 500)
	err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Binary}).Write(t.Context(), []*pipeline.Change{pod("a", 1), c, pod("b", 1)})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 1 || !pipeline.IsPermanent(partial.Failed[1]) {
		t.Errorf("%v", err)
	}
}

// TestRetryAfterIsObeyed also when some of the batch was accepted: nothing is sent before.
func TestRetryAfterIsObeyed(t *testing.T) {
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 2 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	sink := open(t, httpsink.Options{URL: s.URL, Connections: 1})
	err := sink.Write(t.Context(), batchOf(8))
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 6 {
		t.Fatalf("%v", err)
	}
	for i, reason := range partial.Failed {
		if d, asked := pipeline.RetryDelay(reason); !pipeline.IsOutage(reason) || !asked || d < time.Minute {
			t.Errorf("%d: %v after %v", i, reason, d)
		}
	}
	err = sink.Write(t.Context(), batchOf(3))
	if d, asked := pipeline.RetryDelay(err); !asked || d > 66*time.Second || n.Load() != 3 {
		t.Errorf("after %d requests: %v after %v", n.Load(), err, d)
	}
}

// What a request of several was made again for is marked, so that it is written apart from
// then on; what had a request of its own is not.
func TestWhatIsFoundByHalvesIsMarked(t *testing.T) {
	for format, want := range map[httpsink.Format]bool{httpsink.Batch: true, httpsink.Structured: false} {
		s, _ := poisoned(t, status(http.StatusBadRequest), "pod-5")
		err := open(t, httpsink.Options{URL: s.URL, Format: format, Connections: 1}).Write(t.Context(), batchOf(10))
		partial, ok := errors.AsType[*pipeline.BatchError](err)
		if !ok || len(partial.Failed) != 1 || !pipeline.IsPermanent(partial.Failed[5]) || pipeline.IsIsolated(partial.Failed[5]) != want {
			t.Errorf("%s: %v; want one refused for good, marked: %v", format, err, want)
		}
	}
}

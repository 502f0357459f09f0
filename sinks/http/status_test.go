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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// answering is a server that always answers the same.
func answering(t testing.TB, status int, header ...string) *server {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "as it were")
	})
}

// TestStatuses: what each means for a single change and for several.
func TestStatuses(t *testing.T) {
	type meaning string
	const accepted, permanent, transient, own meaning = "accepted", "permanent", "transient", "own"
	for status, want := range map[int]meaning{
		200: accepted, 201: accepted, 202: accepted, 204: accepted,
		301: transient, 302: transient, 303: transient, 304: transient, 307: transient, 308: transient,
		400: permanent, 413: permanent, 415: permanent, 422: permanent,
		401: transient, 402: transient, 403: transient, 404: transient, 405: transient, 407: transient, 408: transient, 409: transient,
		410: transient, 425: transient, 429: transient, 431: transient, 451: transient,
		500: own, 501: transient, 502: transient, 503: transient, 504: transient, 507: transient, 599: transient,
	} {
		for _, format := range []httpsink.Format{httpsink.Structured, httpsink.Batch} {
			s := answering(t, status)
			for _, n := range []int{1, 3} {
				sink := open(t, httpsink.Options{URL: s.URL, Format: format})
				err := sink.Write(t.Context(), batchOf(n))
				partial, isPartial := errors.AsType[*pipeline.BatchError](err)
				var got meaning
				switch {
				case err == nil:
					got = accepted
				case isPartial && len(partial.Failed) == n && pipeline.IsPermanent(partial.Failed[0]):
					got = permanent
				case isPartial && len(partial.Failed) == n:
					got = own
				case isPartial:
					t.Errorf("%d for %s: %d of %d: %v", status, format, len(partial.Failed), n, err)
				case pipeline.IsPermanent(err):
					got = permanent
				default:
					got = transient
				}
				wanted := want
				if want == own && format == httpsink.Batch && n > 1 {
					wanted = transient // none was sent alone
				}
				if got != wanted {
					t.Errorf("%d for %d with %s is %s, want %s: %v", status, n, format, got, wanted, err)
				}
				if _, asked := pipeline.RetryDelay(err); asked {
					t.Errorf("%d: a delay that nobody asked for", status)
				}
			}
		}
	}
}

// TestWhatIsPermanentCanBeSaid: nothing, or a status of one's own.
func TestWhatIsPermanentCanBeSaid(t *testing.T) {
	for _, test := range []struct {
		status int
		list   []int
		want   bool
	}{{400, []int{}, false}, {409, []int{409}, true}, {400, []int{409}, false}} {
		s := answering(t, test.status)
		err := open(t, httpsink.Options{URL: s.URL, Permanent: test.list, Format: httpsink.Batch}).Write(t.Context(), batchOf(1))
		if err == nil || pipeline.IsPermanent(err) != test.want {
			t.Errorf("%d with %v: %v", test.status, test.list, err)
		}
	}
}

// TestTexts: what is wrong, where, and what to do about it.
func TestTexts(t *testing.T) {
	elsewhere := answering(t, 302, "Location", "https://user:s3cret-in-location@elsewhere.example/x?token=s3cret-in-location")
	here := answering(t, 307, "Location", "/other")
	for name, test := range map[string]struct {
		s    *server
		want []string
	}{
		"credentials": {answering(t, 401), []string{"401 Unauthorized", "check token-file", "as it were"}},
		"rights":      {answering(t, 403), []string{"403 Forbidden", "check the rights"}},
		"path":        {answering(t, 404), []string{"404 Not Found", "check the path"}},
		"large":       {answering(t, 413), []string{"raise the server's bound"}},
		"redirect":    {elsewhere, []string{"302 Found", "leads to host elsewhere.example", "not followed"}},
		"own path":    {here, []string{"307", "another path of the same host"}},
		"unknown":     {answering(t, 499), []string{"499"}},
	} {
		err := open(t, httpsink.Options{URL: test.s.URL + "/in?q=s3cret-in-query", Format: httpsink.Batch}).Write(t.Context(), batchOf(1))
		for _, want := range append(test.want, "POST "+test.s.URL+"/in:") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", name, err, want)
			}
		}
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRedirectsAreNotFollowed: net/http would repeat the request without its body, and
// report success.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Bool
	to := serve(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := answering(t, status, "Location", to.URL)
		if err := open(t, httpsink.Options{URL: s.URL, TokenFile: file(t, "token", "t")}).Write(t.Context(), batchOf(1)); err == nil {
			t.Errorf("%d is success", status)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

func TestRetryAfterHoldsTheSink(t *testing.T) {
	for _, test := range []struct {
		status      int
		value       string
		least, most time.Duration
	}{
		{429, "7", 7 * time.Second, 7700 * time.Millisecond},
		{503, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 10 * time.Minute, 11 * time.Minute},
		{413, "3", 3 * time.Second, 3300 * time.Millisecond}, // it is too large for now only
		{400, "3", 0, 0},
		{429, "soon", 0, 0},
	} {
		s := answering(t, test.status, "Retry-After", test.value)
		err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Batch}).Write(t.Context(), batchOf(2))
		if d, _ := pipeline.RetryDelay(err); d < test.least || d > test.most {
			t.Errorf("%d with %s: %v, want %v to %v: %v", test.status, test.value, d, test.least, test.most, err)
		}
	}
}

// TestTooLargeRequestsAreSplit, and the size is kept for the next ones.
func TestTooLargeRequestsAreSplit(t *testing.T) {
	var refused, arrived atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if text, _ := io.ReadAll(r.Body); len(text) > 3000 {
			refused.Add(1)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		arrived.Add(1)
	})
	sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Batch})
	write(t, sink, batchOf(40)...)
	first := refused.Load()
	write(t, sink, batchOf(40)...)
	if first == 0 || refused.Load() != first || arrived.Load() == 0 {
		t.Errorf("%d requests were refused, and %d with the second batch", first, refused.Load()-first)
	}
}

// TestTheSizeOfRequestsGrowsAgain once a server takes larger ones.
func TestTheSizeOfRequestsGrowsAgain(t *testing.T) {
	var most, requests atomic.Int32
	most.Store(3000)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if text, _ := io.ReadAll(r.Body); len(text) > int(most.Load()) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Batch})
	write(t, sink, batchOf(40)...)
	most.Store(1 << 20)
	for range 200 {
		write(t, sink, batchOf(40)...)
	}
	requests.Store(0)
	write(t, sink, batchOf(40)...)
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests for what fits into one", n)
	}
}

// TestAnObjectThatTheServerFailsOn holds up no other.
func TestAnObjectThatTheServerFailsOn(t *testing.T) {
	r := newReceiver(t, parseOwn)
	r.refuseFor(func(c *pipeline.Change) error {
		if c.Key.Name == "pod-1" {
			return errors.New("it crashes")
		}
		return nil
	})
	sink := open(t, httpsink.Options{URL: r.URL})
	for range 10 {
		err := sink.Write(t.Context(), batchOf(5))
		if partial, ok := errors.AsType[*pipeline.BatchError](err); !ok || len(partial.Failed) != 1 || partial.Failed[1] == nil {
			t.Fatalf("%v", err)
		}
	}
}

// TestWhatWasAcceptedIsNotSentAgain: where a server fails in the middle, the rest is named.
func TestWhatWasAcceptedIsNotSentAgain(t *testing.T) {
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	err := open(t, httpsink.Options{URL: s.URL, Connections: 1}).Write(t.Context(), batchOf(10))
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 7 || n.Load() != 4 {
		t.Fatalf("after %d requests: %v", n.Load(), err)
	}
	for i := 3; i < 10; i++ {
		if reason := partial.Failed[i]; !pipeline.IsOutage(reason) || !strings.Contains(reason.Error(), "503") {
			t.Errorf("%d: %v", i, reason)
		}
	}
}

// TestAnIdleConnectionThatTheServerCloses is no failure: a server may do so at any time.
func TestAnIdleConnectionThatTheServerCloses(t *testing.T) {
	var used sync.Map // by the client's address
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, again := used.LoadOrStore(r.RemoteAddr, true); !again {
			return
		}
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	})
	for _, format := range modes {
		sink := open(t, httpsink.Options{URL: s.URL, Format: format})
		for range 5 {
			write(t, sink, batchOf(1)...)
		}
	}
}

func TestNothingListens(t *testing.T) {
	s := answering(t, 200)
	s.stop()
	defer s.start()
	sink := open(t, httpsink.Options{URL: s.URL})
	for name, err := range map[string]error{"Write": sink.Write(t.Context(), batchOf(1)), "Check": sink.Check(t.Context())} {
		if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "connection refused; nothing listens there") || !strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for status, want := range map[int]string{
		200: "", 204: "", 404: "", 405: "", 403: "", 500: "", 400: "", 401: "check token-file", 302: "redirects are not followed",
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodOptions || r.ContentLength > 0 || r.Header.Get("Authorization") != "Bearer t0k" {
				t.Errorf("%s with %v", r.Method, r.Header)
			}
			w.WriteHeader(status)
		})
		err := open(t, httpsink.Options{URL: s.URL, TokenFile: file(t, "token", "t0k")}).Check(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	write(t, open(t, httpsink.Options{URL: answering(t, 202).URL, Registerer: reg}), batchOf(3)...)
	_ = open(t, httpsink.Options{URL: answering(t, 799).URL, Registerer: reg}).Write(t.Context(), batchOf(1))
	gone := answering(t, 202)
	gone.stop()
	defer gone.start()
	_ = open(t, httpsink.Options{URL: gone.URL, Registerer: reg, Format: httpsink.Batch}).Write(t.Context(), batchOf(1))
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP fairlead_http_requests_total Requests of an HTTP sink, by the status of the answer; none: there was no answer.
# TYPE fairlead_http_requests_total counter
fairlead_http_requests_total{code="202"} 3
fairlead_http_requests_total{code="none"} 1
fairlead_http_requests_total{code="other"} 1
`)); err != nil {
		t.Error(err)
	}
}

package page

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// However many ask, snapshots are made once a second, and less often if they take long.
func TestSnapshotsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, takes := 0, time.Duration(0)
		k := newKeeper(func(now time.Time) api.Status {
			made++
			time.Sleep(takes)
			return fleetOf(2, now)
		})
		for range 100 {
			k.snapshot()
			time.Sleep(50 * time.Millisecond)
		}
		if made != 5 {
			t.Errorf("in five seconds %d were made", made)
		}
		time.Sleep(time.Second)
		made, takes = 0, 100*time.Millisecond // a fiftieth of the time is one in five seconds
		for range 200 {
			k.snapshot()
			time.Sleep(50 * time.Millisecond)
		}
		if made != 2 && made != 3 {
			t.Errorf("%d were made that take a tenth of a second, in ten seconds", made)
		}
		time.Sleep(time.Minute)
		k.sample()
		k.sample()
		if k.now != nil {
			t.Error("a snapshot is kept that nobody asks for")
		}
	})
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s api.Status
		k := newKeeper(func(time.Time) api.Status { return s })
		look := func(handedOut uint64, throttled float64, lag time.Duration) {
			s = fleetOf(1, time.Now())
			// The routes have tokens of their own, and the longer wait counts.
			s.Clusters[0].Counts = api.LaneCounts{HandedOut: handedOut, ThrottledSeconds: 1.9 * throttled}
			s.Clusters[0].Routes[0].Counts.ThrottledSeconds, s.Clusters[0].Routes[1].Counts.ThrottledSeconds = throttled, .9*throttled
			s.Clusters[0].Streams[0].OldestUnacked = time.Now().Add(-lag)
			k.sample()
			time.Sleep(every)
		}
		look(100, 0, 0)
		look(150, 2.5, 4*time.Second)
		look(30, 0, 2*time.Hour) // the settings have changed; and more than can be kept
		look(31, 0, 0)
		h, _ := k.history(clusterName(0))
		tail := func(of []float64) []float64 { return of[points-5:] }
		if diff := cmp.Diff([]float64{-1, 0, 4, (unknown - 1) / 10., 0}, tail(h.LagSeconds)); diff != "" {
			t.Errorf("lag (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]float64{-1, -1, .25, -1, 0}, tail(h.Throttled)); diff != "" {
			t.Errorf("throttled (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]float64{-1, -1, 5, -1, .1}, tail(h.DeliveriesPerSecond)); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		for range points + 5 {
			look(31, 0, time.Second)
		}
		h, _ = k.history(clusterName(0))
		for i, lag := range h.LagSeconds {
			if lag != 1 {
				t.Errorf("point %d is %v after a quarter of an hour", i, lag)
			}
		}
		s.Clusters = nil
		time.Sleep(every)
		k.sample()
		if len(k.tracks) != 0 {
			t.Error("a cluster that has left is remembered")
		}
	})
}

// Where looks are dear there are fewer of them, whoever asks, and a point still stands for
// its time: the past is no longer than a quarter of an hour.
func TestPastOfSlowLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, looks := time.Now(), 0
		k := newKeeper(func(now time.Time) api.Status {
			looks++
			time.Sleep(300 * time.Millisecond) // a fiftieth of 15 seconds
			s := fleetOf(1, now)
			s.Clusters[0].Streams[0].OldestUnacked, s.Clusters[0].Streams[1].OldestUnacked = time.Time{}, time.Time{}
			if now.Sub(start) < time.Minute {
				s.Clusters[0].Streams[0].OldestUnacked = now.Add(-5 * time.Second)
			}
			return s
		})
		tick := time.NewTicker(every)
		defer tick.Stop()
		k.sample()
		lagged := func() (at []int) {
			h, _ := k.history(clusterName(0))
			for i, v := range h.LagSeconds {
				if v > 0 {
					at = append(at, i)
				}
			}
			return at
		}
		for time.Since(start) < 10*time.Minute {
			<-tick.C
			k.sample() // nobody asks
		}
		if looks > 40 {
			t.Errorf("%d looks in ten minutes, of 0.3 s each", looks)
		}
		if at := lagged(); len(at) == 0 || at[0] < 28 || at[len(at)-1] > 38 {
			t.Errorf("the lag of ten minutes ago is at the points %v", at)
		}
		for time.Since(start) < 17*time.Minute {
			<-tick.C
			k.sample()
		}
		if at := lagged(); len(at) != 0 {
			t.Errorf("the lag of sixteen minutes ago is still shown, at the points %v", at)
		}
	})
}

func TestTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, since := member.Connecting, time.Now()
		streams := 2
		k := newKeeper(func(now time.Time) api.Status {
			s := fleetOf(1, now)
			s.Clusters[0].State, s.Clusters[0].Since, s.Clusters[0].Streams = state, since, s.Clusters[0].Streams[:streams]
			for i := range s.Clusters[0].Streams {
				s.Clusters[0].Streams[i].Since = time.Unix(1e9, 0)
			}
			return s
		})
		look := func() {
			k.sample()
			time.Sleep(every)
		}
		look()
		look() // nothing new
		state, since = member.Live, time.Now()
		look()
		since = time.Now().Add(-time.Second) // it was another one meanwhile
		look()
		streams = 1
		look()
		streams = 2
		look()
		_, got := k.history(clusterName(0))
		var told []string
		for _, tr := range got {
			told = append(told, fmt.Sprintf("%s %q %s", tr.Stream, tr.From, tr.To))
		}
		want := []string{`pods "" live`, ` "live" live`, ` "connecting" live`, ` "" connecting`}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for range 3 * mostTransitions {
			since = time.Now()
			look()
		}
		if _, got := k.history(clusterName(0)); len(got) != mostTransitions || !got[0].Since.Equal(since) {
			t.Errorf("%d are kept, the last one since %v", len(got), got[0].Since)
		}
	})
}

func TestDeliveriesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(1, now) })
		const route = "http://alerts/in"
		told := func(n int, ago time.Duration, refused error) {
			for range n {
				p.Observe(route, stage.Delivery{Change: &pipeline.Change{Observed: time.Now().Add(-ago)}, Began: time.Now().Add(-ago / 4), Refused: refused})
			}
		}
		told(1000, time.Hour, nil)
		p.keeper.sample()
		for range points { // what was before is forgotten
			time.Sleep(every)
			p.keeper.sample()
		}
		told(98, 100*time.Millisecond, nil)
		told(2, 10*time.Second, nil)
		told(3, 0, errors.New("no"))
		c := p.keeper.deliveries(route, points)
		if c.accepted != 100 || c.refused != 3 || c.passed != (points-1)*every {
			t.Errorf("%d accepted and %d refused in %v", c.accepted, c.refused, c.passed)
		}
		q := quantiles(c.lag)
		for _, of := range []struct{ got, want float64 }{{q.P50, .1}, {q.P90, .1}, {q.P99, 10}} {
			if of.got < of.want/1.5 || of.got > of.want*1.5 {
				t.Errorf("got %v, want about %v", of.got, of.want)
			}
		}
		if o := p.totals(p.keeper.snapshot()); o.DeliveriesPerSecond == nil || *o.DeliveriesPerSecond != 10 {
			t.Errorf("got %v changes per second", o.DeliveriesPerSecond)
		}
	})
}

// Each page that is followed is made once for all its readers, and a reader that does not
// read holds up nobody. Streams end with Run.
func TestPagesAreFollowed(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(3, now) })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	follow := func(path string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/event-stream")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var all []*http.Response
	for i := range mostReaders {
		resp := follow([]string{"/status", "/status/clusters?sort=name"}[i%2])
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("reader %d: %s", i, resp.Status)
		}
		all = append(all, resp)
	}
	if resp := follow("/status"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", resp.Status)
	} else {
		_ = resp.Body.Close()
	}
	for _, resp := range all[:2] { // the others do not read
		var event strings.Builder
		for lines := bufio.NewScanner(resp.Body); lines.Scan() && !strings.HasPrefix(lines.Text(), "data: </section>"); {
			event.WriteString(lines.Text() + "\n")
			if strings.Contains(event.String(), "id=\"pages\"") {
				break
			}
		}
		if !strings.Contains(event.String(), "event: page\ndata: ") || !strings.Contains(event.String(), "data-live") || strings.Contains(event.String(), "<html") {
			t.Errorf("got the event %q", event.String())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, resp := range all {
		for {
			if _, err := resp.Body.Read(make([]byte, 64<<10)); err != nil {
				break // all of them end
			}
		}
	}
	if resp := follow("/status"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: %s", resp.Status)
	} else {
		_ = resp.Body.Close()
	}
	server.Close() // which waits for the last handlers
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	if n := len(p.feed.topics); n != 0 || p.feed.readers != 0 {
		t.Errorf("%d pages are still followed, by %d", n, p.feed.readers)
	}
}

// A mistake in a view is logged, and ends neither the program nor the others.
func TestPanicsOfViewsEndNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(newTestPage(t, nil).opts.Log)
		good, leave, err := f.join("good", 0, func(*snapshot) ([]byte, error) { return []byte("a\r\nb\n"), nil })
		if err != nil {
			t.Fatal(err)
		}
		_, leaveBad, err := f.join("bad", 0, func(*snapshot) ([]byte, error) { panic("view") })
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{true, false, false} { // one page each time, and then there is none
			if more, followed := f.send(&snapshot{at: time.Now(), number: 1}); more != want || !followed {
				t.Errorf("after %d pages another one is due: %t, and somebody follows: %t", i+1, more, followed)
			}
		}
		if got, want := string(<-good), "id: 1\nevent: page\ndata: a\ndata: b\n\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		leave()
		leaveBad()
		if more, followed := f.send(&snapshot{at: time.Now(), number: 2}); more || followed || len(f.topics) != 0 {
			t.Error("somebody follows")
		}
	})
}

// What differs between two errors with one cause is names and numbers.
func TestSkeletons(t *testing.T) {
	const refused = "dial tcp 10.0.0.1:6443: connect: connection refused"
	for _, same := range [][2][2]string{
		{{"c", refused}, {"connect-1", "dial tcp 10.250.13.1:443: connect: connection refused"}},
		{{"c", `Get "https://a.example:6443/version": EOF`}, {"b", `Get "https://10.0.0.1/version": EOF`}},
		{{"prod-a", "lookup prod-a.example on 10.0.0.10:53: no such host"}, {"prod-b", "lookup prod-b.example on 10.0.0.10:53: no such host"}},
		{{"a", "dial tcp [fd00::1]:6443: i/o timeout"}, {"b", "dial tcp [fd00::ab]:443: i/o timeout"}},
		{{"", ""}, {"a", ""}},
	} {
		if a, b := skeleton(same[0][1], same[0][0]), skeleton(same[1][1], same[1][0]); a != b {
			t.Errorf("%q and %q are told apart", a, b)
		}
	}
	if a, b := skeleton(refused, "c"), skeleton("dial tcp 10.0.0.1:6443: i/o timeout", "c"); a == b {
		t.Errorf("%q is one cause with another", a)
	}
}

func TestCausesAreFolded(t *testing.T) {
	now := time.Now()
	s := api.Status{Ledger: fleetOf(0, now).Ledger}
	for i := range 2 * mostKinds {
		c := fleetOf(1, now).Clusters[0]
		c.Name, c.State, c.Reason = clusterName(i), member.BackingOff, "unreachable"
		c.Since = now.Add(-time.Duration(i) * time.Second)
		c.LastError = fmt.Sprintf("Get \"https://%s.example:6443/version\": dial tcp 10.0.%d.%d:6443: i/o timeout", c.Name, i/250, i%250)
		if i >= mostKinds {
			c.LastError = strings.Repeat("x", i%400) + c.Name + strings.Repeat("y", i/400) // never the same again
		}
		s.Clusters = append(s.Clusters, c)
	}
	all, more := causesOf(&snapshot{at: now, status: s})
	if len(all) != mostCauses || more+len(all) > mostKinds+1 {
		t.Errorf("there are %d causes and %d more", len(all), more)
	}
	first := all[0]
	if first.Count != mostKinds || len(first.Examples) != mostExamples || !first.Since.Equal(now.Add(-(mostKinds-1)*time.Second)) {
		t.Errorf("got %d clusters, since %v, such as %v", first.Count, first.Since, first.Examples)
	}
	if terms, err := parseFilter(first.Query); err != nil || len(terms) != 2 {
		t.Errorf("the filter %q: %v", first.Query, err)
	}
}

package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

// collector is an OpenTelemetry Collector that writes what it gets to a file. What it has
// answered to is in its memory for a moment, as its documentation says: so it is killed
// when all that is in the file.
type collector struct {
	*testsinks.Collector
	d *destination
}

// Kill ends it once it has written everything, and no more arrives.
func (c *collector) Kill(t testing.TB) {
	c.d.cut()
	c.Lines(t)
	c.Collector.Kill(t)
}

// Start has it back.
func (c *collector) Start(t testing.TB) {
	c.Collector.Start(t)
	if err := c.d.open(); err != nil {
		t.Fatal(err)
	}
}

// startCollector has two collectors that write to one file, behind a gate, which refuses as
// one does whose memory is used up, or that does not know a token.
func startCollector(t testing.TB, d *destination) {
	t.Helper()
	g := &gate{}
	behind := func(c *testsinks.Collector) peer {
		to, err := url.Parse(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		return peer{&collector{c, d}, serve(t, g.before(passOn(to)))}
	}
	first := testsinks.StartOtelcol(t, nil)
	both := d.serveInTurn(behind(first), behind(first.StartAnother(t)))
	d.more = g.faults()
	d.sink = "otlp:http://" + d.listens + "?timeout=5s&name=" + theDestination
	d.events = func(ctx context.Context) (events []replay.Event, err error) {
		var lines []string
		if err := d.rig.Do(ctx, func(t testing.TB) { lines = both.serves.killable.(*collector).Lines(t) }); err != nil {
			return nil, err
		}
		for _, line := range lines {
			more, err := logRecords([]byte(line))
			if err != nil {
				return nil, err
			}
			events = append(events, more...)
		}
		// Requests overtake each other, though never two with one object.
		slices.SortStableFunc(events, byTerm)
		return events, nil
	}
}

// passOn returns what sends requests on. Where it gets no answer, it gives none.
func passOn(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:    &http.Transport{DisableKeepAlives: true}, // so that none is sent to a server that has ended
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
}

// serve serves HTTP until the end, and returns where.
func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // It ends with the server.
	t.Cleanup(func() {
		_ = server.Close() // What is under way ends with it.
		serving.Wait()
	})
	return listener.Addr().String()
}

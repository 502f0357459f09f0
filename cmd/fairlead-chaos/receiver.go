package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// receiver takes CloudEvents over HTTP, one in each request, and keeps them in the order
// in which they arrived.
type receiver struct {
	addr    string
	gate    *gate        // before it
	server  *http.Server // nil while it is down
	serving sync.WaitGroup

	mu     sync.Mutex
	events []replay.Event // without data
	wrong  error          // the first body that is no event
}

// maxEvent bounds an event, in bytes.
const maxEvent = 64 << 20

func startReceiver(t testing.TB, d *destination) {
	t.Helper()
	r := &receiver{addr: address(freePort(t))}
	r.gate = &gate{to: r}
	t.Cleanup(func() { r.Kill(t) })
	r.Start(t)
	d.server, d.addr = r, r.addr
	d.sink = "http://" + d.listens + "/events?name=" + theDestination
	d.events, d.more = r.read, r.gate.faults()
}

// Start listens.
func (r *receiver) Start(t testing.TB) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r.server = &http.Server{Handler: r.gate, ReadHeaderTimeout: 10 * time.Second}
	r.serving.Go(func() { _ = r.server.Serve(listener) }) // It ends with the server.
}

// Kill ends all connections and refuses new ones. What it has received, it keeps.
func (r *receiver) Kill(testing.TB) {
	if r.server != nil {
		_ = r.server.Close() // What was under way is cut off, as it is to be.
		r.serving.Wait()
		r.server = nil
	}
}

// ServeHTTP takes one event.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost { // Check asks what it may do
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxEvent))
	if err != nil {
		return // the line is cut
	}
	e, err := replay.Parse(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.wrong == nil {
			r.wrong = err
		}
		http.Error(w, "this is no event", http.StatusBadRequest)
		return
	}
	e.Data = nil
	r.events = append(r.events, e)
	w.WriteHeader(http.StatusAccepted)
}

// read returns what has arrived.
func (r *receiver) read(context.Context) ([]replay.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong != nil {
		return nil, fmt.Errorf("it got something else than an event: %w", r.wrong)
	}
	return r.events[:len(r.events):len(r.events)], nil
}

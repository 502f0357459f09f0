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

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// inbox takes CloudEvents over HTTP, one in each request, and keeps them in the order in
// which they arrived. It is what several receivers store in.
type inbox struct {
	mu     sync.Mutex
	events []replay.Event // without data
	wrong  error          // the first body that is no event
}

// receiver is a server of HTTP that dies and comes back.
type receiver struct {
	addr    string
	handler http.Handler
	server  *http.Server // nil while it is down
	serving sync.WaitGroup

	handling sync.RWMutex // held for reading by each request
	deaths   int          // so that one of before does nothing any more
}

// maxEvent bounds an event, in bytes.
const maxEvent = 64 << 20

func startReceiver(t testing.TB, d *destination) {
	t.Helper()
	in, g := &inbox{}, &gate{}
	d.serveInTurn(newReceiver(t, g.before(in)), newReceiver(t, g.before(in)))
	d.sink = "http://" + d.listens + "/events?name=" + theDestination
	d.events, d.more = in.read, g.faults()
}

// newReceiver returns one that serves until the end.
func newReceiver(t testing.TB, handler http.Handler) peer {
	t.Helper()
	r := &receiver{addr: address(loopback.Keep(t)), handler: handler}
	t.Cleanup(func() { r.Kill(t) })
	r.Start(t)
	return peer{r, r.addr}
}

// Start listens.
func (r *receiver) Start(t testing.TB) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	deaths := r.deaths
	r.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.handling.RLock()
		defer r.handling.RUnlock()
		if r.deaths != deaths {
			panic(http.ErrAbortHandler)
		}
		r.handler.ServeHTTP(w, request)
	})}
	r.serving.Go(func() { _ = r.server.Serve(listener) }) // It ends with the server.
}

// Kill ends all connections and refuses new ones. What has been stored until it returns
// stays, and nothing comes to it later.
func (r *receiver) Kill(testing.TB) {
	if r.server == nil {
		return
	}
	_ = r.server.Close() // What was under way is cut off, as it is to be.
	r.serving.Wait()
	r.handling.Lock()
	r.deaths++
	r.handling.Unlock()
	r.server = nil
}

// ServeHTTP takes one event.
func (in *inbox) ServeHTTP(w http.ResponseWriter, request *http.Request) {
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
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		if in.wrong == nil {
			in.wrong = err
		}
		http.Error(w, "this is no event", http.StatusBadRequest)
		return
	}
	e.Data = nil
	in.events = append(in.events, e)
	w.WriteHeader(http.StatusAccepted)
}

// read returns what has arrived.
func (in *inbox) read(context.Context) ([]replay.Event, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.wrong != nil {
		return nil, fmt.Errorf("it got something else than an event: %w", in.wrong)
	}
	return in.events[:len(in.events):len(in.events)], nil
}

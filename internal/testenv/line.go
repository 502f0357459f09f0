package testenv

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// lineToxic is the name of our toxic in toxiproxy's registry.
const lineToxic = "fairlead_line"

var registerLine = sync.OnceFunc(func() { toxics.Register(lineToxic, new(lineEnd)) })

// line holds the faults of one proxy. All its connections go through it, in both
// directions, from their first byte on.
//
// Toxiproxy's own toxics are put in and taken out of running connections, which
// waits for a reader that may have stalled, for ever; its goroutines stay behind
// when a reader leaves with bytes under way; and its black hole drops bytes, which
// a TLS connection cannot survive. This one is put in once and only its settings
// change.
type line struct {
	mu      sync.Mutex
	latency time.Duration
	rate    int           // bytes per second; 0 is unlimited
	held    chan struct{} // not nil in a black hole; closed at its end
	broken  chan struct{} // closed when the connections of now are cut
}

func newLine() *line { return &line{broken: make(chan struct{})} }

// install puts the line into both directions of a proxy that has not started.
func (l *line) install(chain *toxiproxy.ToxicCollection) error {
	registerLine()
	for _, direction := range []string{"upstream", "downstream"} {
		settings := fmt.Sprintf(`{"type": %q, "stream": %q}`, lineToxic, direction)
		wrapper, err := chain.AddToxicJson(strings.NewReader(settings))
		if err != nil {
			return fmt.Errorf("install toxic %s: %w", settings, err)
		}
		// The collection makes its own value of the type, and runs it.
		wrapper.Toxic.(*lineEnd).line = l
	}
	return nil
}

// slow sets latency and rate and ends a black hole.
func (l *line) slow(latency time.Duration, rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency, l.rate = latency, rate
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
}

// hold lets nothing pass until slow.
func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(chan struct{})
	}
}

// cut gives up what is under way on the connections of now, whose sockets the
// caller closes, and ends every other fault for those to come.
func (l *line) cut() {
	l.slow(0, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.broken)
	l.broken = make(chan struct{})
}

// now returns the line's settings at this moment.
func (l *line) now() (latency time.Duration, rate int, held, broken <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latency, l.rate, l.held, l.broken
}

// lineEnd is a line as toxiproxy sees it, in one direction.
type lineEnd struct {
	line *line
}

// GetBufferSize returns how many reads of at most 32 KiB may be under way. It
// limits the throughput under latency, and how much a reader that stalls leaves
// here before the sender feels it.
func (e *lineEnd) GetBufferSize() int { return 16 }

// Pipe carries one connection's bytes until it ends or is cut.
func (e *lineEnd) Pipe(stub *toxics.ToxicStub) {
	_, _, _, broken := e.line.now()
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk != nil && e.carry(chunk, stub.Output, broken) {
				continue
			}
			// Ended, or cut. The sender's side is closing: take what it still has.
			for chunk != nil {
				chunk = <-stub.Input
			}
			stub.Close()
			return
		}
	}
}

// carry sends one chunk on when it is due. It returns false when the connection
// was cut instead.
func (e *lineEnd) carry(chunk *stream.StreamChunk, output chan<- *stream.StreamChunk, broken <-chan struct{}) bool {
	latency, rate, _, _ := e.line.now()
	delay := latency - time.Since(chunk.Timestamp)
	if rate > 0 {
		delay = max(delay, 0) + time.Duration(len(chunk.Data))*time.Second/time.Duration(rate)
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-broken:
			return false
		}
	}
	for {
		_, _, held, _ := e.line.now()
		if held == nil {
			break
		}
		select {
		case <-held:
		case <-broken:
			return false
		}
	}
	select {
	case output <- chunk:
		return true
	case <-broken:
		return false
	}
}

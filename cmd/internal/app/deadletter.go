package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// deadLetters is --dead-letter at work: it keeps what sinks refuse for good and
// sends it again when it is asked to. A nil one keeps nothing.
type deadLetters struct {
	file    *deadletter.File
	log     logr.Logger
	retried *prometheus.CounterVec
	asked   chan struct{} // has one while an order waits for run
	written atomic.Uint64 // since the start
	ghosts  notedGhosts
	room    int64 // for the records that lanes have in memory, in bytes

	mu    sync.Mutex
	next  *order                          // nothing is taken for it yet; nil: there is none
	open  []*resending                    // under way, each with lanes of its own
	lanes map[deadletter.Lane]*letterLane // of all of them
}

// resender offers a recorded event again, see sources.Sources.
type resender interface {
	Redeliver(ctx context.Context, route string, e *pipeline.Event) (*ledger.Redelivery, error)
	RedeliverGhost(ctx context.Context, route string, e *pipeline.Event) (*ledger.Redelivery, error)
}

func openDeadLetters(path string, log logr.Logger, reg prometheus.Registerer) (*deadLetters, error) {
	if path == "" {
		return nil, nil
	}
	f, err := deadletter.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--dead-letter: %w", err)
	}
	d := &deadLetters{
		file: f, log: log, asked: make(chan struct{}, 1), room: roomBytes, lanes: map[deadletter.Lane]*letterLane{},
		retried: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_dead_letters_retried_total",
			Help: "Dead letters that were sent again, by result: delivered, refused_again, superseded, kept.",
		}, []string{"result"}),
	}
	if err := reg.Register(d.retried); err != nil {
		return nil, errors.Join(fmt.Errorf("register metrics: %w", err), f.Close())
	}
	return d, nil
}

// of returns what the batcher of a sink calls for a refused change; nil if
// refused changes are not kept.
func (d *deadLetters) of(sink string) func(c *pipeline.Change, reason error, attempts int) error {
	if d == nil {
		return nil
	}
	return func(c *pipeline.Change, reason error, attempts int) error {
		if err := d.file.Write(sink, c, reason, attempts); err != nil {
			return err
		}
		d.written.Add(1)
		d.refused(letterKey{sink, c.Key, string(c.UID)})
		return nil
	}
}

// refused notes that there is another record of an object, which may be on its way.
func (d *deadLetters) refused(key letterKey) {
	d.ghosts.refused(key)
	d.mu.Lock()
	l := d.lanes[deadletter.Lane{Sink: key.sink, Cluster: key.key.Cluster}]
	d.mu.Unlock()
	if l != nil {
		l.refused(key)
	}
}

func (d *deadLetters) reopen() {
	if d != nil {
		d.file.Reopen()
	}
}

func (d *deadLetters) close() {
	if d == nil {
		return
	}
	if err := d.file.Close(); err != nil {
		d.log.Error(err, "Could not close the file of dead letters")
	}
}

// resend has what is in the file sent again, but for lanes that earlier ones have under way.
// An order that has not begun is joined.
func (d *deadLetters) resend() *order {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == nil {
		d.next = newOrder()
		select {
		case d.asked <- struct{}{}:
		default:
		}
	}
	return d.next
}

// run does what resend asks for until ctx ends. What was not accepted by then stays in files for
// the next run. The caller ends it after the workers.
func (d *deadLetters) run(ctx context.Context, to resender) error {
	if d == nil {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	room := newRoom(d.room)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.asked:
			if r := d.begin(ctx, to, room); r != nil {
				wg.Go(func() { d.work(ctx, r) })
			}
		}
	}
}

// begin takes what there is for the order, and returns it; nil: nothing. While it takes, others
// join the order.
func (d *deadLetters) begin(ctx context.Context, to resender, room *room) *resending {
	d.mu.Lock()
	under := slices.Clone(d.open) // one that ends during the Take is told of, too
	d.mu.Unlock()
	owed := slices.Clone(under)
	owed = slices.DeleteFunc(owed, func(r *resending) bool { return !r.taken.Owes() })
	taken, err := d.file.Take(ctx)
	if err != nil && ctx.Err() != nil {
		err = errStops
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.next
	d.next = nil
	o.under, o.err = under, err
	if err == nil {
		for _, r := range owed {
			if !r.taken.Owes() {
				r.forgive()
			}
		}
		if taken != nil {
			o.own = newResending(taken, to, &d.ghosts, room)
			d.open = append(d.open, o.own)
			maps.Copy(d.lanes, o.own.lanes)
		}
	} else {
		d.log.Error(err, "Could not take the dead letters to send them again")
	}
	close(o.began)
	return o.own
}

// work sends what was taken, and returns when it is known what became of it, or ctx ends.
func (d *deadLetters) work(ctx context.Context, r *resending) {
	d.count(letterCounts{kept: r.left})
	var wg sync.WaitGroup
	for of, l := range r.lanes {
		wg.Go(func() {
			if err := l.run(ctx); r.fail(err) {
				d.log.Error(err, "Could not put dead letters back; the next retry begins with them", "sink", of.Sink, "cluster", of.Cluster)
			}
			_, counts := l.look(new(int)) // it has ended
			d.count(counts)
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.lanes[of] == l { // another one may have taken it
				delete(d.lanes, of)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		r.fail(errStops)
	}
	d.mu.Lock()
	d.open = slices.DeleteFunc(d.open, func(other *resending) bool { return other == r })
	d.mu.Unlock()
	close(r.done)
	s := (&order{began: r.done, own: r}).status()
	d.log.Info("Sent dead letters again", "records", s.Records, "delivered", s.Delivered, "refusedAgain", s.RefusedAgain,
		"superseded", s.Superseded, "kept", s.Kept, "reasons", s.Reasons, "error", s.Error)
}

func (d *deadLetters) count(c letterCounts) {
	for result, n := range c.results() {
		d.retried.WithLabelValues(result).Add(float64(n))
	}
}

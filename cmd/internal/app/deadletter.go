package app

import (
	"context"
	"errors"
	"fmt"
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
	asked   chan *resending // holds the one that is to be run
	written atomic.Uint64   // since the start
	ghosts  notedGhosts

	mu   sync.Mutex
	last *resending // under way, or the last one that was; nil: none was
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
		file: f, log: log, asked: make(chan *resending, 1),
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
		d.ghosts.refused(letterKey{sink, c.Key, string(c.UID)})
		if r := d.current(); r != nil {
			r.refused(sink, c.Key, string(c.UID))
		}
		return nil
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

func (d *deadLetters) current() *resending {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// resend has everything in the file sent again, and returns the resending that
// does it: the one under way, if there is one.
func (d *deadLetters) resend() *resending {
	d.mu.Lock()
	if d.last != nil && !d.last.ended() {
		defer d.mu.Unlock()
		return d.last
	}
	r := newResending()
	d.last = r
	d.mu.Unlock()
	d.asked <- r // the one before has been taken out, since it has ended
	return r
}

// run does what resend asks for until ctx ends. What was not accepted by then
// is put back. The caller ends it after the workers.
func (d *deadLetters) run(ctx context.Context, to resender) error {
	if d == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-d.asked:
			r.end(d.work(ctx, r, to))
			s := r.status()
			for result, n := range map[string]int{
				"delivered": s.Delivered, "refused_again": s.RefusedAgain, "superseded": s.Superseded, "kept": s.Kept,
			} {
				d.retried.WithLabelValues(result).Add(float64(n))
			}
			d.log.Info("Sent dead letters again", "records", s.Records, "delivered", s.Delivered, "refusedAgain", s.RefusedAgain,
				"superseded", s.Superseded, "kept", s.Kept, "reasons", s.Reasons, "error", s.Error)
		}
	}
}

// work sends the records of the file again and waits until what became of each
// is known.
func (d *deadLetters) work(ctx context.Context, r *resending, to resender) error {
	taken, err := d.file.Take()
	if taken == nil || err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := &offering{r: r, taken: taken, to: to, ghosts: &d.ghosts, through: make(chan struct{})}
	o.lanes = newLetterLanes(func(record *deadletter.Record) { o.send(ctx, record) })
	again := make(chan error, 1)
	go func() {
		err := o.again(ctx)
		if err != nil {
			cancel(err)
		}
		again <- err
	}()
	read, passedOver, err := r.pass(ctx, taken, o.lanes)
	for line := range passedOver {
		r.keep(line, context.Cause(ctx))
	}
	if err != nil {
		cancel(err)
	}
	close(o.through)
	if err = errors.Join(err, <-again); err != nil {
		return err // all of it is part of the next attempt
	}
	r.endDeferred()
	r.wait(ctx)
	if err := taken.Finish(func(line int) bool { return line > read || r.keeps(line) }); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("the program stops, or its settings change; what was not accepted is kept, to be sent again")
	}
	return nil
}

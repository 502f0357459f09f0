package supervise

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// ErrRunTwice is returned by a second call of Run.
var ErrRunTwice = errors.New("supervise: Run was called before")

// Defaults of Options.
const (
	DefaultBackoffMin = time.Second
	DefaultBackoffMax = time.Minute
)

// Options tune a Set; the zero value is ready to use.
type Options struct {
	// BackoffMin bounds the first delay before a failed child is started
	// again (full jitter). Zero means DefaultBackoffMin.
	BackoffMin time.Duration
	// BackoffMax bounds every later delay. A child that ran for at least this
	// long before it failed starts again at BackoffMin. Zero means
	// DefaultBackoffMax.
	BackoffMax time.Duration
	// OnFailure, if set, is told of every failed or panicked run, for
	// counting. It is called from the child's goroutine and must not block.
	OnFailure func(name string, err error)
}

// Set is a changing set of named children. The zero value is not usable; see
// NewSet.
type Set struct {
	log  logr.Logger
	opts Options
	wg   sync.WaitGroup // one per launched child

	mu       sync.Mutex
	children map[string]*child
	launch   func(*child) // set by Run; nil before
	ended    bool         // Run was asked to stop: nothing is launched any more
}

// child is one Start. It stays in the map until it has returned, so that a
// later Start of the same name can wait for it.
type child struct {
	name   string
	run    func(context.Context) error
	prev   *child // its predecessor of the same name, joined before run begins
	cancel context.CancelFunc
	done   chan struct{}
}

// NewSet returns an empty set. It starts nothing.
func NewSet(log logr.Logger, opts Options) *Set {
	if opts.BackoffMin <= 0 {
		opts.BackoffMin = DefaultBackoffMin
	}
	if opts.BackoffMax <= 0 {
		opts.BackoffMax = DefaultBackoffMax
	}
	return &Set{log: log, opts: opts, children: map[string]*child{}}
}

// Run runs the children, those started before it and those started later,
// until ctx ends, then waits for all of them and returns nil. It can be called
// once.
func (s *Set) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.launch != nil || s.ended {
		s.mu.Unlock()
		return ErrRunTwice
	}
	s.launch = func(c *child) {
		// The cancel function is released when the child returns.
		cctx, cancel := context.WithCancel(ctx)
		c.cancel = cancel
		s.wg.Go(func() { s.supervise(cctx, c) })
	}
	for _, c := range s.children {
		s.launch(c)
	}
	s.mu.Unlock()

	<-ctx.Done()
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Start adds a child. It never blocks. An error or a panic of run is logged
// and run is called again after a backoff; when run returns nil the child has
// ended and its name is free. The ctx of run ends with Stop, with a
// replacement, and with the set.
//
// A name that still runs is replaced: the old child is cancelled, and the new
// one begins once it has returned. Before Run, children wait for it; after the
// set has been asked to stop, Start does nothing.
func (s *Set) Start(name string, run func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	c := &child{name: name, run: run, done: make(chan struct{})}
	if old := s.children[name]; old != nil {
		s.retireLocked(old)
		c.prev = old
	}
	s.children[name] = c
	if s.launch != nil {
		s.launch(c)
	}
}

// Stop cancels the child of that name and waits until it has returned, or
// until ctx ends, which is its only error. In that case the child stays
// cancelled and a later Start of the name still waits for it. A name that is
// not there is no error.
func (s *Set) Stop(ctx context.Context, name string) error {
	s.mu.Lock()
	c := s.children[name]
	if c == nil {
		s.mu.Unlock()
		return nil
	}
	s.retireLocked(c)
	s.mu.Unlock()

	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-c.done: // both were ready
		return nil
	default:
		return fmt.Errorf("stop %q: it has not returned yet: %w", name, context.Cause(ctx))
	}
}

// retireLocked cancels a child; one that was never launched has ended then.
func (s *Set) retireLocked(c *child) {
	if c.cancel != nil {
		c.cancel()
		return
	}
	delete(s.children, c.name)
	close(c.done)
}

func (s *Set) supervise(ctx context.Context, c *child) {
	defer func() {
		c.cancel()
		s.mu.Lock()
		if s.children[c.name] == c {
			delete(s.children, c.name)
		}
		s.mu.Unlock()
		close(c.done)
	}()
	if c.prev != nil {
		<-c.prev.done
		c.prev = nil // only this goroutine reads it; do not keep a chain of predecessors
	}
	delays := retry.NewBackOff(s.opts.BackoffMin, s.opts.BackoffMax)
	for ctx.Err() == nil {
		began := time.Now()
		err := protect(ctx, c.run)
		stopped := ctx.Err() != nil
		if err == nil || stopped && !isPanic(err) {
			return
		}
		if s.opts.OnFailure != nil {
			s.opts.OnFailure(c.name, err)
		}
		if stopped {
			s.log.Error(err, "Child panicked while it stopped", "name", c.name)
			return
		}
		if time.Since(began) >= s.opts.BackoffMax {
			delays.Reset()
		}
		s.pause(ctx, c.name, delays, err)
	}
}

// pause logs why a child is down and waits for its next turn.
func (s *Set) pause(ctx context.Context, name string, delays backoff.BackOff, err error) {
	delay := delays.NextBackOff()
	s.log.Error(err, "Child failed, will be started again", "name", name, "delay", delay.String())
	_ = retry.Sleep(ctx, delay) // The caller looks at ctx.
}

// PanicError is the error of a run that panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where
}

// Error tells the value and the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Unwrap returns the value if the run panicked with an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*PanicError](err)
	return ok
}

func protect(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return run(ctx)
}

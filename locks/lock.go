package locks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lock keeps the record of an election in a [Register]. One goroutine uses it at a
// time; Token may be called from any.
type Lock struct {
	register Register
	o        Options

	seen    uint64 // version of the record that was seen or written last; 0: none
	writes  uint64 // of that record
	unknown bool   // the outcome of the last write is
	term    Term
	lease   time.Duration // the longest of the records that were seen
	settles time.Time     // when nobody acts any more who has held the record in a store of before
}

var (
	_ resourcelock.Interface = (*Lock)(nil)
	_ Fenced                 = (*Lock)(nil)
)

// New returns a lock on a register. It asks nothing of the register.
func New(r Register, o Options) (*Lock, error) {
	if err := CheckIdentity(o.Identity); err != nil {
		return nil, fmt.Errorf("lock %s: %w", r.Describe(), err)
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &Lock{register: r, o: o}, nil
}

// Get reads the record. The error is NotFound if there is none.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	var value []byte
	var version uint64
	err := l.bounded(ctx, func(ctx context.Context) (err error) {
		value, version, err = l.register.Read(ctx)
		return err
	})
	if err == nil {
		err = l.unsettled()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", l.register.Describe(), err)
	}
	if version == 0 {
		l.seen, l.unknown = 0, false
		l.term.Interrupted()
		return nil, nil, apierrors.NewNotFound(resource, l.register.Describe())
	}
	record, writes, err := decode(value)
	if err != nil {
		l.seen = 0
		return nil, nil, fmt.Errorf("%s holds no record of an election: %w; use another name, or delete it while nothing uses it", l.register.Describe(), err)
	}
	l.saw(record, version, writes)
	return &record, value, nil
}

// Create makes the record. The error is AlreadyExists if there is one.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.write(ctx, record, 0)
	if errors.Is(err, ErrChanged) {
		return apierrors.NewAlreadyExists(resource, l.register.Describe())
	}
	return err
}

// Update replaces the record that Get, Create or Update has seen last. The error is
// Conflict if it was written or deleted since. After a write whose outcome is not known
// it is an error that says so: then Get tells. Conflict would say that the backend is
// well.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := ctx.Err()
	switch {
	case err != nil:
	case l.seen != 0:
		err = l.write(ctx, record, l.seen)
	case l.unknown:
		err = fmt.Errorf("write %s: the outcome of the write before is not known, and it was not read since", l.register.Describe())
	default:
		err = ErrChanged
	}
	if errors.Is(err, ErrChanged) {
		return apierrors.NewConflict(resource, l.register.Describe(), ErrChanged)
	}
	return err
}

// resource is what the errors are about, which apierrors wants to name.
var resource = schema.GroupResource{Group: "locks", Resource: "register"}

// write replaces the record of that version; 0: makes it. Unless that succeeds,
// nothing is known of the record until the next Get: also after a refusal, of which
// this process has not seen what it was refused for.
func (l *Lock) write(ctx context.Context, record resourcelock.LeaderElectionRecord, version uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	writes := l.writes + 1
	value, err := encode(record, writes)
	if err != nil {
		return fmt.Errorf("write %s: %w", l.register.Describe(), err)
	}
	l.seen = 0
	if err := l.unsettled(); err != nil {
		return fmt.Errorf("write %s: %w", l.register.Describe(), err)
	}
	var next uint64
	err = l.bounded(ctx, func(ctx context.Context) (err error) {
		next, err = l.register.Swap(ctx, value, version)
		return err
	})
	l.unknown = err != nil && !errors.Is(err, ErrChanged)
	if version == 0 && !errors.Is(err, ErrChanged) {
		l.term.Interrupted() // what is made anew begins a term
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", l.register.Describe(), err)
	}
	l.saw(record, next, writes)
	return nil
}

// maxLease is the longest lease, in seconds, that is waited for when a store was replaced.
const maxLease = 3600

// saw notes the record that there is.
func (l *Lock) saw(record resourcelock.LeaderElectionRecord, version, writes uint64) {
	l.seen, l.writes, l.unknown = version, writes, false
	seconds := min(max(record.LeaseDurationSeconds, 0), maxLease)
	l.lease = max(l.lease, time.Duration(seconds)*time.Second)
	l.term.Saw(record.HolderIdentity == l.o.Identity, version)
}

// replaced decides what becomes of a store that the register has found in the place of
// another one, and says it.
func (l *Lock) replaced(err error) error {
	r, ok := l.register.(Replaceable)
	if !ok {
		return err
	}
	if l.term.held {
		return fmt.Errorf("%w; this process has held the record before that, and has to be started again", err)
	}
	r.Accept()
	l.seen, l.unknown = 0, false
	l.term.Interrupted()
	l.settles = time.Now().Add(l.lease)
	return fmt.Errorf("%w; this process goes on with it in %v, when nobody acts any more who has led before that", err, l.lease)
}

// unsettled says for how long the store is not gone on with.
func (l *Lock) unsettled() error {
	if left := time.Until(l.settles); left > 0 {
		return fmt.Errorf("%w: who has led before that may act for another %v", ErrReplaced, left.Round(time.Millisecond))
	}
	return nil
}

// bounded is a call to the register. Its errors say nothing about the record, but for
// ErrChanged: a register that is an API server of some kind may return apierrors, of
// which NotFound would have an elector make the record anew.
func (l *Lock) bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.o.Timeout, fmt.Errorf("no answer within %v", l.o.Timeout.Round(time.Millisecond)))
	defer cancel()
	err := call(ctx)
	if errors.Is(err, ErrReplaced) {
		return l.replaced(err)
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) && !errors.Is(err, ErrChanged) {
		err = errors.New(err.Error())
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, ErrChanged) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// Token implements Fenced: it is the version of the record with which this process's
// term began.
func (l *Lock) Token() uint64 { return l.term.Token() }

// RecordEvent does nothing.
func (*Lock) RecordEvent(string) {}

// Identity returns the name of this process in the record.
func (l *Lock) Identity() string { return l.o.Identity }

// Describe names the register.
func (l *Lock) Describe() string { return l.register.Describe() }

// Close closes the register, if it can be closed.
func (l *Lock) Close() error {
	if c, ok := l.register.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

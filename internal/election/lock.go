package election

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// errTaken says that another process holds the lease.
var errTaken = errors.New("another process holds it")

// lock is a lock as client-go's elector sees it. It tells the fence of every
// renewal, and of everybody else who holds the lease.
type lock struct {
	resourcelock.Interface
	fence *fence
	log   logr.Logger

	mu        sync.Mutex
	tenure    tenure
	renewed   time.Time // as the record has it
	token     uint64    // see Election.Token
	failed    error     // of the last request
	overtaken bool      // the last write of this process, which leads, found another one's
}

// Get reads the record. By the bytes that it returns the elector tells whether that
// has changed.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.read(ctx)
	if err == nil {
		l.saw(record.HolderIdentity, record.RenewTime.Time)
		// Those of client-go's locks have the second of the renewal only: of several
		// within one, others would see the first, while its holder relies on the last.
		raw = strconv.AppendInt(raw, record.RenewTime.UnixMicro(), 10)
	}
	switch {
	case apierrors.IsNotFound(err):
		l.saw("", time.Time{})
		l.report(ctx, nil)
	case err == nil && record.HolderIdentity == l.Identity():
		// It is renewed next, and whether that goes well is what matters.
	default:
		l.report(ctx, err)
	}
	return record, raw, err
}

// read and bounded are calls to the lock itself, of which none takes longer than
// Timing.CallTimeout.
func (l *lock) read(ctx context.Context) (record *resourcelock.LeaderElectionRecord, raw []byte, err error) {
	err = l.bounded(ctx, func(ctx context.Context) (err error) {
		record, raw, err = l.Interface.Get(ctx)
		return err
	})
	if err == nil && record == nil {
		err = errors.New("the lock returns neither a record nor an error")
	}
	return record, raw, err
}

func (l *lock) bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.fence.timing.CallTimeout())
	defer cancel()
	return call(ctx)
}

// Create makes the record, held by this process.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.hold(ctx, record, l.Interface.Create)
}

// Update takes or renews the lease.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.hold(ctx, record, l.Interface.Update)
}

func (l *lock) hold(ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	began := time.Now()
	if err := l.fence.check(began); errors.Is(err, ErrLost) {
		return err // this process ends, and must not lead again
	}
	// When the answer to a renewal is lost, client-go tries again with the record
	// as it was. If that one is stored already, this changes nothing for those
	// who count the time since it changed, so it renews nothing either.
	if t := record.RenewTime.Time; t.Before(began) {
		began = t
	}
	err := l.bounded(ctx, func(ctx context.Context) error { return write(ctx, record) })
	if err == nil {
		l.begin(record) // before anybody may act
		l.fence.renew(began, time.Now())
		l.saw(record.HolderIdentity, record.RenewTime.Time)
	}
	l.wrote(ctx, err)
	return err
}

// wrote notes what came of a write. If somebody else has written since the last look, it
// failed, and the elector looks and tries again at once. That is told in one line once it is
// renewed. If the second write fails as well, one that leads cannot renew.
func (l *lock) wrote(ctx context.Context, err error) {
	changed, held := apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err), l.fence.held()
	l.mu.Lock()
	first := changed && held && !l.overtaken && l.failed == nil
	mended := err == nil && l.overtaken && l.failed == nil
	l.overtaken = changed && held
	l.mu.Unlock()
	switch {
	case first:
	case changed && !held:
		l.report(ctx, nil) // somebody was faster; the next Get tells who
	default:
		l.report(ctx, err)
	}
	if mended {
		l.log.Info("Renewed the lease, which somebody else had written")
	}
}

// fenced is a lock that gives fencing tokens, as locks.Fenced says.
type fenced interface{ Token() uint64 }

// begin notes the token of the term, which the first write that succeeds begins: it
// is the lock's own, or else counts the record's transitions. It stays as it is until
// the term ends, and there is one term.
func (l *lock) begin(record resourcelock.LeaderElectionRecord) {
	token := uint64(max(record.LeaderTransitions, 0)) + 1
	if f, ok := l.Interface.(fenced); ok {
		token = f.Token()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == 0 {
		l.token = token
	}
}

// saw notes who holds the lease, and when that was renewed.
func (l *lock) saw(holder string, renewed time.Time) {
	if holder != l.Identity() {
		l.fence.lose(fmt.Errorf("%w: %q", errTaken, printable(holder)))
	}
	l.mu.Lock()
	l.renewed = renewed
	changed := l.tenure.see(holder, time.Now())
	l.mu.Unlock()
	if changed && holder != "" && holder != l.Identity() {
		l.log.Info("Follows", "leader", printable(holder))
	}
}

// printable is who holds the lease as it is shown: whoever may write the record may
// write anything into it.
func printable(holder string) string {
	const most = 253 // bytes, as of a host's name
	if len(holder) > most {
		holder = holder[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, holder)
}

// report notes whether the record can be read and written.
func (l *lock) report(ctx context.Context, err error) {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // broken off by ourselves
	}
	l.mu.Lock()
	was := l.failed
	l.failed = err
	l.mu.Unlock()
	switch {
	case was == nil && err != nil:
		l.log.Error(err, "The lease cannot be read or written")
	case was != nil && err == nil:
		l.log.Info("The lease can be read and written again")
	}
}

// release gives the lease up, if this process holds it. It goes around client-go,
// which looks at who held it once, and so around this lock.
func (l *lock) release(ctx context.Context) error {
	for {
		record, _, err := l.read(ctx)
		if err != nil {
			return err
		}
		if record.HolderIdentity != l.Identity() {
			return nil
		}
		now := metav1.Now()
		// A second is the least that the API allows; nobody waits for it.
		record.HolderIdentity, record.LeaseDurationSeconds = "", 1
		record.AcquireTime, record.RenewTime = now, now
		// A renewal that was broken off may still be written in between.
		err = l.bounded(ctx, func(ctx context.Context) error { return l.Interface.Update(ctx, *record) })
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

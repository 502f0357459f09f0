package stream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// MostReading is the most that a stream takes of a budget.Budget at once, in bytes:
// for the largest frame, the copy that is handed on of it, and what goes with that.
const MostReading = 2*wire.MaxFrame + 1<<20

// Where the memory for what is read and handed on comes from. What a stream always has
// is wire.ReadBuffer, while there is something in it. A longer frame takes memory of each
// route's account before it is read, for itself and the copy; a shorter one before it
// is copied. A route that has none leaves the shared stream, as with a full lane.

// loan is what a branch has for the frame that is being read.
type loan struct {
	branch *branch
	memory budget.Loan
}

// Reserve implements wire.Room: for each branch that the reader reads for.
func (a *attempt) Reserve(n int) error {
	if len(a.loans) > 0 {
		return a.reserveMore(n)
	}
	all := a.branches()
	var together *budget.Together
	if len(all) > 1 {
		together = budget.NewTogether(len(all))
	}
	ask := toRead(n, a.copied(n), together)
	for _, b := range all {
		memory, err := a.borrow(b, ask)
		if errors.Is(err, errBehind) {
			a.detach(b, behindMemory)
			continue
		}
		if err != nil {
			a.Release() // what the others have got
			return err
		}
		a.loans = append(a.loans, loan{b, memory})
	}
	if slices.ContainsFunc(a.loans, func(l loan) bool { return !l.memory.IsZero() }) {
		a.watchdog.beginFrame()
	}
	return nil
}

// reserveMore does not wait, because of what it has.
func (a *attempt) reserveMore(n int) error {
	var together *budget.Together
	if len(a.loans) > 1 {
		together = budget.NewTogether(len(a.loans))
	}
	ask := toRead(n, a.copied(n), together)
	for i := range a.loans {
		l := &a.loans[i]
		memory, ok := l.branch.account.Try(ask)
		if !ok {
			return wire.ErrShort
		}
		l.memory.Release()
		l.memory = memory
	}
	return nil
}

// toRead is what a frame of n bytes needs, and what is copied of it.
func toRead(n, copied int, together *budget.Together) budget.Ask {
	object := min(n+copied, MostReading-pipeline.ChangeOverhead)
	return budget.Ask{Object: object, Own: pipeline.ChangeOverhead, Together: together, Reading: true}
}

// copied is how many bytes are copied of a frame of n bytes, in all forms, at the most:
// if it is more than MostReading allows for, that is what is taken.
func (a *attempt) copied(n int) (size int) {
	var forms []*selection.Program
	for _, b := range a.branches() {
		p := b.rules.shaper
		if slices.Contains(forms, p) {
			continue
		}
		forms = append(forms, p)
		size += max(n, p.ShapedSize(n))
	}
	return size
}

// Came implements wire.Room.
func (a *attempt) Came(n int) { a.watchdog.frameRead(n) }

// Release implements wire.Room.
func (a *attempt) Release() {
	a.watchdog.endFrame()
	for i := range a.loans {
		a.loans[i].memory.Release()
	}
	clear(a.loans)
	a.loans = a.loans[:0]
}

// size sets what those that deliver an object of size bytes take for it, each in its form.
// Those of the same form share it.
func (a *attempt) size(size int, to []routed) {
	if len(to) == 1 {
		to[0].size = sizeIn(to[0], size)
		return
	}
	for i := range to {
		r := &to[i]
		r.size = sizeIn(*r, size)
		if r.outside || r.together != nil {
			continue
		}
		same := 0
		for _, other := range to[i:] {
			if other.sharesWith(*r) {
				same++
			}
		}
		if same < 2 {
			continue
		}
		together := budget.NewTogether(same)
		for k := range to[i:] {
			if to[i+k].sharesWith(*r) {
				to[i+k].together = together
			}
		}
	}
}

func (r routed) sharesWith(other routed) bool {
	return !r.outside && !other.outside && r.branch.rules.shaper == other.branch.rules.shaper
}

// sizeIn is what an object of size bytes takes at the most in the form of who delivers it.
func sizeIn(r routed, size int) int {
	switch p := r.branch.rules.shaper; {
	case r.outside:
		return 0
	case p != nil:
		return min(p.ShapedSize(size), MostReading-pipeline.ChangeOverhead)
	}
	return size
}

func (r routed) ask() budget.Ask {
	return budget.Ask{Object: r.size, Own: pipeline.ChangeOverhead, Together: r.together}
}

// afford takes the memory for those that deliver a state, before its object is copied:
// out of what was taken to read it, if anything was. Those that have left, because there
// was none, are not among those that it returns.
func (a *attempt) afford(to []routed) ([]routed, error) {
	if len(a.loans) > 0 {
		a.exchange(to)
		return to, nil
	}
	left := to[:0]
	for i := range to {
		r := to[i]
		memory, err := a.borrow(r.branch, r.ask())
		switch {
		case errors.Is(err, errBehind):
			a.leave(r.branch, behindMemory)
			if r.together != nil {
				r.together.Acked() // nobody is to wait for that one
			}
			continue
		case err != nil:
			releaseAll(left)
			return nil, err
		}
		r.memory = memory
		left = append(left, r)
	}
	return left, nil
}

// exchange gives each that delivers its part of what was taken for a frame.
func (a *attempt) exchange(to []routed) {
	loans, asks, taken := make([]budget.Loan, len(a.loans)), make([]budget.Ask, len(a.loans)), make([]budget.Loan, len(a.loans))
	for i, l := range a.loans {
		loans[i] = l.memory
		for _, r := range to {
			if r.branch == l.branch {
				asks[i] = r.ask()
			}
		}
	}
	budget.Exchange(loans, asks, taken)
	a.watchdog.endFrame()
	for j := range to {
		for i, l := range a.loans {
			if to[j].branch == l.branch {
				to[j].memory = taken[i] // one that has just joined takes its own in hand
			}
		}
	}
	clear(a.loans)
	a.loans = a.loans[:0]
}

// shrink has those that deliver a state keep what that takes, which is less than was
// taken for it.
func shrink(to []routed) {
	loans, asks, taken := make([]budget.Loan, len(to)), make([]budget.Ask, len(to)), make([]budget.Loan, len(to))
	for i, r := range to {
		loans[i], asks[i] = r.memory, r.ask()
	}
	budget.Exchange(loans, asks, taken)
	for i := range to {
		to[i].memory = taken[i]
	}
}

func releaseAll(to []routed) {
	for i := range to {
		to[i].memory.Release()
	}
}

// borrow takes memory of a branch's account; it waits for that as hand does for a lane.
func (a *attempt) borrow(b *branch, ask budget.Ask) (memory budget.Loan, err error) {
	var ok bool
	if memory, ok = b.account.Try(ask); ok {
		return memory, nil
	}
	err = a.patiently(b, func(ctx context.Context) (err error) {
		memory, err = b.account.Take(ctx, ask)
		return err
	})
	if err != nil { // it may leave for that, and begins again once it is there
		b.lacked = min(ask.Object+ask.Own, MostReading)
	}
	return memory, err
}

// errBehind says that a branch is to leave the stream that it shares with others.
var errBehind = errors.New("the route has had no room for too long")

// patiently calls wait, which blocks until a branch has room for something, or ctx
// ends. If the branch is alone, that is as long as it takes; else for as long as the
// others can be held up, and then it returns errBehind. One that reads for itself
// because it is behind gives its watch back after a while. Any other error ends the
// stream.
func (a *attempt) patiently(b *branch, wait func(context.Context) error) error {
	if len(a.Stream.branches) == 1 {
		a.watchdog.block()
		defer a.watchdog.unblock()
		if err := wait(a.running); err != nil {
			return a.endedBy(err)
		}
		return nil
	}
	for {
		alone := a.block()
		patience := noRoomFor
		if !alone {
			patience = b.hold.get(time.Now())
		}
		began := time.Now()
		err := a.waitFor(patience, wait)
		a.unblock()
		if !alone {
			b.hold.left -= time.Since(began)
		}
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, queue.ErrFull):
			return a.endedBy(err)
		case !alone:
			return errBehind
		case a.Stream.main.Load() != a.reader:
			return fatalError{errNoRoomInLane}
		}
	}
}

// endedBy returns what an error of a queue or budget ends: the attempt if that is to stop, else
// the stream.
func (a *attempt) endedBy(err error) error {
	if errors.Is(context.Cause(a.running), errRequested) {
		return errRequested
	}
	return fatalError{err}
}

// waitFor calls wait for a while: then it returns queue.ErrFull.
func (a *attempt) waitFor(d time.Duration, wait func(context.Context) error) error {
	if d <= 0 {
		return queue.ErrFull
	}
	ctx, cancel := context.WithTimeoutCause(a.running, d, queue.ErrFull)
	defer cancel()
	a.watchdog.block()
	defer a.watchdog.unblock()
	err := wait(ctx)
	if err != nil && a.running.Err() == nil && ctx.Err() != nil {
		return queue.ErrFull
	}
	return err
}

// roomToBegin is how much memory there has to be at the least for a route that begins to
// read for itself.
const roomToBegin = 2*wire.SmallSpill + pipeline.ChangeOverhead

// waitRoom waits until a branch can begin to read for itself: with what it had no memory
// for when it left, if it did for that. Else it would read all that comes before, perhaps a
// whole list, to find out again that there is none.
func (b *branch) waitRoom(ctx context.Context, cluster string) error {
	if err := b.route.Queue.WaitRoom(ctx, cluster); err != nil {
		return err
	}
	memory, err := b.account.Take(ctx, budget.Ask{Own: max(roomToBegin, b.lacked)})
	memory.Release()
	b.lacked = 0
	return err
}

// contended reports whether anybody waits for memory.
func (s *Stream) contended() bool { return s.branches[0].route.Memory.Contended() }

// openAccounts gives each branch its account of its route's memory, until close.
func (s *Stream) openAccounts() (closeAll func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.branches {
		b.account = b.route.Memory.Account(s.cluster)
	}
	return func() {
		for _, b := range s.branches {
			b.account.Close()
		}
	}
}

// lone is the room of a reader that copies nothing and holds up nobody. ctx bounds how
// long it may wait.
type lone struct {
	ctx     context.Context //nolint:containedctx // of the one call that reads
	account *budget.Account
	memory  budget.Loan
}

func (l *lone) Reserve(n int) error {
	ask := budget.Ask{Own: n, Reading: true}
	memory, ok := l.account.Try(ask)
	if !ok && !l.memory.IsZero() {
		return wire.ErrShort
	}
	if !ok {
		var err error
		if memory, err = l.account.Take(l.ctx, ask); err != nil {
			return err
		}
	}
	l.memory.Release()
	l.memory = memory
	return nil
}

func (l *lone) Came(int) {}

func (l *lone) Release() { l.memory.Release() }

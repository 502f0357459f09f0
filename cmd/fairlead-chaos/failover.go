package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

// theLeader is what faults can be of where there are several replicas, in the place of
// theProgram.
const theLeader = "leader"

// The faults of the leader, beside those of a program.
const (
	freeze      kind = "freeze"       // SIGSTOP until another one leads
	loseLock    kind = "lose-lock"    // nobody reaches the lock until the leader has given up
	restartLock kind = "restart-lock" // what the lock is kept in ends, and is started again at once

	// SIGSTOP in a write until another one has written. Where it has a file locked, the
	// other one waits for that.
	freezeInWrite kind = "freeze-in-write"

	// SIGSTOP while a write is on the line to the destination, which arrives there after
	// one of the next leader.
	freezeOnTheWay kind = "freeze-on-the-way"
)

// leaderKinds are all of them, memberKinds and sinkKinds what goes on meanwhile.
var (
	leaderKinds = []kind{kill, freeze, terminate, loseLock, restartLock, killBefore, killMiddle, killAfter}
	sinkKinds   = []kind{sinkFails, sinkStalls, sinkHalf, sinkPartial, sinkLost}
	memberKinds = []kind{cut, blackHole, slow, restart, crash, compact}
)

// failoverWatch is how often it is looked who leads.
const failoverWatch = 50 * time.Millisecond

// faultsOfLeader are those that replicas with such a ledger have, beside a destination
// that compares terms or not.
func faultsOfLeader(ledger string, compares bool) []kind {
	switch {
	case ledger != ledgerMemory:
		return leaderKinds
	case compares:
		return append(slices.Clone(leaderKinds), freezeInWrite, freezeOnTheWay)
	}
	return append(slices.Clone(leaderKinds), freezeInWrite)
}

// faultsOfLeader are those of this run.
func (c *chaos) faultsOfLeader() []kind {
	return faultsOfLeader(c.ledger, c.outside != nil && c.outside.marks != nil)
}

// newFailoverPlan is newPlan for several replicas: each other fault is of the leader, and
// one of its kinds.
func newFailoverPlan(seed uint64, changes, faults int, members []string, leaderKinds []kind) []fault {
	random := rand.New(rand.NewPCG(seed, 5))
	spacing := float64(changes) / float64(faults+2)
	free := map[string]int{}
	turns := map[string][]kind{}
	next := func(of string, kinds []kind) kind {
		if len(turns[of]) == 0 {
			turns[of] = slices.Clone(kinds)
			random.Shuffle(len(kinds), func(i, j int) { turns[of][i], turns[of][j] = turns[of][j], turns[of][i] })
		}
		k := turns[of][0]
		turns[of] = turns[of][1:]
		return k
	}
	var plan []fault
	for i := range faults {
		f := fault{Dice: random.Uint64()}
		switch {
		case i%2 == 0:
			f.Target, f.Kind = theLeader, next(theLeader, leaderKinds)
		case i%4 == 1:
			f.Target, f.Kind = theSink, next(theSink, sinkKinds)
		default:
			f.Target = members[random.IntN(len(members))]
			f.Kind = next("members", memberKinds)
		}
		f.At = max(int(spacing*(float64(i)+random.Float64())), free[f.Target])
		f.Until = f.At + int(spacing*(0.5+random.Float64()))
		free[f.Target] = f.Until + 1
		plan = append(plan, f)
	}
	slices.SortStableFunc(plan, func(a, b fault) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// failover is several Fairleads, of which one delivers, and what becomes of them.
type failover struct {
	*chaos
	lock     *lockServer
	replicas []*replica
	client   *http.Client

	mu    sync.Mutex
	times map[kind][]float64 // by fault of the leader: seconds until the next one delivered
	// lateThere counts the writes that were let arrive at the destination after one of the
	// next leader, and back has what they have changed there, in words.
	lateThere int
	back      []string
}

// startFailover starts the lock's server. The replicas begin with run.
func startFailover(ctx context.Context, c *chaos) (_ *failover, err error) {
	f := &failover{chaos: c, client: &http.Client{Timeout: 5 * time.Second}, times: map[kind][]float64{}}
	if f.lock, err = lockServers[c.options.lock](ctx, c); err != nil {
		return nil, fmt.Errorf("start what the lock is kept in: %w", err)
	}
	addresses, err := lab.FreeAddresses(c.options.replicas)
	if err != nil {
		return nil, errors.Join(err, f.lock.close())
	}
	lease := c.leaseDuration
	for i, address := range addresses {
		args := c.program.arguments()
		args = append(args, "--health-probe-bind-address", address, "--admin-bind-address", "0", "--advertise-address", "127.0.0.1",
			"--leader-elect", "--leader-election-lease-duration", lease.String(),
			"--leader-election-renew-deadline", (lease * 2 / 3).String(), "--leader-election-retry-period", (lease * 2 / 15).String())
		if c.ledger == ledgerMemory {
			args = append(args, "--ledger", "memory:", "--dead-letter", f.letters(i))
		}
		f.replicas = append(f.replicas, &replica{
			status: address, log: filepath.Join(c.dir, fmt.Sprintf("fairlead-%d.log", i+1)), args: append(args, f.lock.flags...), client: f.client,
		})
	}
	if c.ledger == ledgerMemory {
		return f, c.program.first().setCompares()
	}
	return f, c.program.first().note(c.program.ledger())
}

// letters is the file of a replica's dead letters, where each has its own.
func (f *failover) letters(replica int) string {
	return fmt.Sprint(f.program.letters(), "-", replica+1)
}

// readLetters notes the dead letters of the destination.
func (f *failover) readLetters() error {
	if f.ledger == ledgerShared {
		return f.chaos.readLetters(f.program.letters())
	}
	for i := range f.replicas {
		if err := f.chaos.readLetters(f.letters(i)); err != nil {
			return err
		}
	}
	return nil
}

// run lets everything change and fail, until the sink holds what the servers hold, and
// then stops the replicas.
func (f *failover) run(ctx context.Context) error {
	all, running := errgroup.WithContext(ctx) // which ends with the first that fails
	keeping, stop := context.WithCancel(running)
	defer stop()
	for _, r := range f.replicas {
		all.Go(func() error { return r.keep(keeping) })
	}
	all.Go(func() error {
		defer stop()
		if _, err := f.awaitLeader(running, nil); err != nil {
			return err
		}
		if err := f.storm(running); err != nil {
			return err
		}
		f.say("The writers have stopped after %d writes, and all faults have ended.", f.clock.now())
		_, err := f.settle(running)
		return err
	})
	if err := all.Wait(); err != nil {
		return err
	}
	f.result.Failovers = f.times
	f.wrong = append(f.wrong, f.back...)
	if err := f.readLetters(); err != nil {
		return err
	}
	for _, k := range f.faultsOfLeader() {
		if t := f.times[k]; len(t) > 0 {
			f.say("After %s of the leader the next one delivered %.1f s later in the median of %d, %.1f s at most.", k, median(t), len(t), slices.Max(t))
		}
	}
	return f.judge(ctx)
}

// carryOut does what a fault of the leader is, and returns when there is a leader again.
func (f *failover) carryOut(ctx context.Context, b *breaker, of fault) error {
	was, err := f.awaitLeader(ctx, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	switch of.Kind {
	case kill:
		err = was.Kill()
	case terminate:
		err = was.Signal(syscall.SIGTERM)
	case killBefore, killMiddle, killAfter:
		if err = f.program.first().setDeath(of.Kind); err != nil {
			return err
		}
		if err = f.clock.waitOr(ctx, of.Until, was.Exited()); err != nil {
			return err
		}
		began = time.Now()
		err = errors.Join(was.Kill(), f.program.first().clearDeath())
	case freeze:
		began, err = f.freeze(ctx, was)
	case freezeInWrite:
		took, err := f.freezeInWrite(ctx, of, was)
		if took > 0 {
			f.took(b, of, took)
		}
		return err
	case freezeOnTheWay:
		took, err := f.freezeOnTheWay(ctx, of, was)
		if took > 0 {
			f.took(b, of, took)
		}
		return err
	case loseLock:
		silent := of.Dice%2 == 0
		if err = f.lock.lose(ctx, silent); err != nil {
			return err
		}
		select {
		case <-was.Exited():
		case <-time.After(patience):
			err = fmt.Errorf("the leader has not ended %v after the lock could not be reached any more", patience)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		began = time.Now()
		err = errors.Join(err, f.lock.restore(ctx, silent))
	case restartLock: // The leader may outlive that.
		return errors.Join(f.lock.lose(ctx, false), f.lock.restore(ctx, false))
	default:
		return fmt.Errorf("nobody knows how to make a %s", of.Kind)
	}
	if err != nil {
		return err
	}
	if _, err := f.awaitLeader(ctx, was); err != nil {
		return err
	}
	f.took(b, of, time.Since(began))
	return nil
}

// took notes how long nobody has delivered because of a fault.
func (f *failover) took(b *breaker, of fault, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times[of.Kind] = append(f.times[of.Kind], d.Seconds())
	b.journal.write(entry{Writes: f.clock.now(), Did: fmt.Sprintf("the next one delivers, %.2f s later", d.Seconds()), Fault: &of})
}

// awaitLeader returns the process that delivers, once there is one that is not the one
// given.
func (f *failover) awaitLeader(ctx context.Context, not *lab.Program) (*lab.Program, error) {
	return f.await(ctx, "a replica delivers", func(p *lab.Program, s standing) bool { return p != not && s.delivers })
}

// await waits until ok holds for a replica, and returns its process. Each is asked by
// itself: one that is stopped does not answer, and keeps nobody from asking the others.
func (f *failover) await(ctx context.Context, what string, ok func(*lab.Program, standing) bool) (*lab.Program, error) {
	patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it has not come about within %v that %s", patience, what))
	defer cancel()
	looking, stop := context.WithCancel(patient)
	defer stop()
	var found atomic.Pointer[lab.Program]
	var all sync.WaitGroup
	for _, r := range f.replicas {
		all.Go(func() {
			_ = lab.WaitUntil(looking, failoverWatch, func() error { // It ends without: then found is nil.
				p, s := r.look(looking)
				if !ok(p, s) {
					return errors.New("it is not so")
				}
				found.CompareAndSwap(nil, p)
				stop()
				return nil
			})
		})
	}
	all.Wait()
	if p := found.Load(); p != nil {
		return p, nil
	}
	return nil, context.Cause(patient)
}

// close ends what still runs.
func (f *failover) close() error {
	var errs []error
	for _, r := range f.replicas {
		errs = append(errs, r.process().Kill())
	}
	f.client.CloseIdleConnections()
	return errors.Join(append(errs, f.lock.close())...)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

package clusters

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The timing of the elections here: the usual one.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// candidate is a process that takes part in an election as client-go's elector does,
// with a clock of its own.
type candidate struct {
	world *world
	i     int
	began time.Time
	rate  float64       // of its clock
	skew  time.Duration // likewise: how far it is ahead

	lock     *Lock
	lives    int
	seenRaw  string
	seen     resourcelock.LeaderElectionRecord
	seenAt   time.Time
	believed time.Time // until when it may act
}

// now is the time of its own clock.
func (c *candidate) now() time.Time {
	return c.began.Add(c.skew + time.Duration(float64(time.Since(c.began))*c.rate))
}

// start is a process that begins, with no memory.
func (c *candidate) start() {
	voters := make([]Voter, len(c.world.voters))
	registers := make([]register, len(voters))
	for j := range voters {
		voters[j].Name = fmt.Sprint("voter-", j)
		registers[j] = &line{c.world, c.i, j}
	}
	c.lives++
	identity := fmt.Sprintf("%d_%d", c.i, c.lives)
	*c = candidate{world: c.world, i: c.i, began: c.began, rate: c.rate, skew: c.skew, lives: c.lives,
		lock: newLock(voters, registers, Options{Namespace: "ns", Name: "lock", Identity: identity, Timeout: DefaultTimeout})}
	c.lock.now, c.lock.rules = c.now, c.world.rules
	c.world.mu.Lock()
	c.world.believes[c.i] = time.Time{}
	c.world.mu.Unlock()
}

func (c *candidate) leads() bool { return c.seen.HolderIdentity == c.lock.Identity() }

func (c *candidate) valid(now time.Time) bool {
	return c.seenAt.Add(time.Duration(c.seen.LeaseDurationSeconds) * time.Second).After(now)
}

func (c *candidate) saw(r resourcelock.LeaderElectionRecord) { c.seen, c.seenAt = r, c.now() }

// try is client-go's tryAcquireOrRenew.
func (c *candidate) try(ctx context.Context) bool {
	now := c.now()
	at := metav1.NewTime(now)
	record := resourcelock.LeaderElectionRecord{
		HolderIdentity: c.lock.Identity(), LeaseDurationSeconds: int(leaseDuration / time.Second), RenewTime: at, AcquireTime: at,
	}
	if c.leads() && c.valid(now) {
		record.AcquireTime, record.LeaderTransitions = c.seen.AcquireTime, c.seen.LeaderTransitions
		if c.lock.Update(ctx, record) == nil {
			c.saw(record)
			return true
		}
	}
	old, raw, err := c.lock.Get(ctx)
	if err != nil {
		if !apierrors.IsNotFound(err) || c.lock.Create(ctx, record) != nil {
			return false
		}
		c.saw(record)
		return true
	}
	if string(raw) != c.seenRaw {
		c.saw(*old)
		c.seenRaw = string(raw)
	}
	if old.HolderIdentity != "" && c.valid(now) && !c.leads() && !c.world.rules.noWait {
		return false
	}
	record.LeaderTransitions = old.LeaderTransitions + 1
	if c.leads() {
		record.AcquireTime, record.LeaderTransitions = old.AcquireTime, old.LeaderTransitions
	}
	if c.lock.Update(ctx, record) != nil {
		return false
	}
	c.saw(record)
	return true
}

// run takes part until the time is over.
func (c *candidate) run(over time.Time) {
	c.start()
	for time.Now().Before(over) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), renewDeadline/2)
		ok := c.try(ctx)
		cancel()
		if ok {
			c.acts(began.Add(time.Duration(float64(renewDeadline) / c.rate)))
		}
		switch {
		case c.world.int(500) == 0, !c.believed.IsZero() && time.Now().After(c.believed) && c.world.int(2) == 0:
			_ = c.lock.Close()
			c.start()
		case c.world.int(100) == 0:
			time.Sleep(time.Duration(c.world.int(40000)) * time.Millisecond) // stopped
		}
		time.Sleep(time.Duration(float64(retryPeriod+time.Duration(c.world.int(400))*time.Millisecond) / c.rate))
	}
	_ = c.lock.Close()
}

// acts notes until when this process may act.
func (c *candidate) acts(until time.Time) {
	w := c.world
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !until.After(now) {
		return
	}
	for i, other := range w.believes {
		if i != c.i && other.After(now) {
			w.fault("%v: %s leads, and process %d does for %v more", now, c.lock.Identity(), i, other.Sub(now))
		}
	}
	if before := w.believes[c.i]; before.After(now) {
		w.led += until.Sub(before)
	} else {
		w.led += until.Sub(now)
	}
	w.believes[c.i], c.believed = until, until
	term := c.lock.Token()
	if by, ok := w.leads[term]; ok && by != c.lock.Identity() {
		w.fault("%v: term %d is that of %s and of %s", now, term, by, c.lock.Identity())
	}
	if term < w.last {
		w.fault("%v: %s leads in term %d after %d", now, c.lock.Identity(), term, w.last)
	}
	if term > w.last {
		w.terms++
	}
	w.leads[term], w.last = c.lock.Identity(), max(w.last, term)
}

// simulate returns what happened in ten minutes.
func simulate(t *testing.T, seed uint64, voters int, change func(*world)) *world {
	const processes = 3
	w := &world{
		rand: rand.New(rand.NewPCG(seed, uint64(voters))), cut: map[[2]int]time.Time{},
		believes: make([]time.Time, processes), leads: map[uint64]string{},
	}
	for range voters {
		w.voters = append(w.voters, &simVoter{})
	}
	change(w)
	synctest.Test(t, func(*testing.T) {
		over := time.Now().Add(10 * time.Minute)
		for i := range processes {
			rate := 1 + (float64(w.int(20000))-10000)/1e6 // a percent
			skew := time.Duration(w.int(40000)-20000) * time.Millisecond
			start := time.Duration(w.int(3000)) * time.Millisecond
			go func() {
				time.Sleep(start)
				(&candidate{world: w, i: i, began: time.Now(), rate: rate, skew: skew}).run(over)
			}()
		}
		misfortune(w, over)
		time.Sleep(2 * time.Minute) // what is late arrives
	})
	return w
}

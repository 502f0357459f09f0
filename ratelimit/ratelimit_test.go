package ratelimit_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		limit ratelimit.Limit
		ok    bool
	}{
		{ratelimit.Limit{}, true},
		{ratelimit.Limit{QPS: 0.1}, true},
		{ratelimit.Limit{QPS: 5, Burst: 10}, true},
		{ratelimit.Limit{Burst: 10}, true},
		{ratelimit.Limit{QPS: -1}, false},
		{ratelimit.Limit{QPS: math.NaN()}, false},
		{ratelimit.Limit{QPS: math.Inf(1)}, false},
		{ratelimit.Limit{QPS: 1, Burst: -1}, false},
	} {
		if err := test.limit.Validate(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.limit, err)
		}
	}
}

func TestInvalidLimitsPanic(t *testing.T) {
	bad := ratelimit.Limit{QPS: -1}
	b := ratelimit.New(ratelimit.Limit{})
	for name, set := range map[string]func(){
		"New":        func() { ratelimit.New(bad) },
		"Set":        func() { b.Set("a", bad) },
		"SetDefault": func() { b.SetDefault(bad) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took %+v", name, bad)
				}
			}()
			set()
		}()
	}
}

func TestString(t *testing.T) {
	for want, l := range map[string]ratelimit.Limit{
		"unlimited": {Burst: 3},
		"5:10":      {QPS: 5, Burst: 10},
		"2.5:3":     {QPS: 2.5},
	} {
		if got := l.String(); got != want {
			t.Errorf("%#v: %q, want %q", l, got, want)
		}
	}
}

// drain takes until there is nothing left.
func drain(b *ratelimit.Bucket, now time.Time) (n int) {
	for n < 1000 && b.Take(now) == 0 {
		n++
	}
	return n
}

func TestTake(t *testing.T) {
	now := time.Now()
	b := ratelimit.New(ratelimit.Limit{QPS: 3, Burst: 2}).Bucket("a")
	if n := drain(b, now); n != 2 {
		t.Errorf("burst of %d", n)
	}
	for i := range 100 {
		wait := b.Take(now)
		if want := time.Second / 3; wait < want-time.Microsecond || wait > want+time.Microsecond {
			t.Fatalf("wait %d: %v, want about %v", i, wait, want)
		}
		now = now.Add(wait)
		if again := b.Take(now); again != 0 {
			t.Fatalf("no token when told to ask again, but in %v", again)
		}
	}
	if n := drain(b, now.Add(time.Hour)); n != 2 {
		t.Errorf("%d tokens saved up", n)
	}
}

func TestTakeWhenTimeGoesBack(t *testing.T) {
	now := time.Now()
	b := ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 1}).Bucket("a")
	b.Take(now)
	for range 10 {
		if b.Take(now.Add(-time.Hour)) == 0 || b.Take(now) == 0 {
			t.Fatal("tokens were gained by a clock that goes back and forth")
		}
	}
	if wait := b.Take(now.Add(-time.Minute)); wait < 61*time.Second-time.Millisecond {
		t.Errorf("a minute too early the wait is %v", wait)
	}
}

// A token that is spent before it is there makes the next one later, and Missing takes none.
func TestSpend(t *testing.T) {
	b := ratelimit.NewBucket(ratelimit.Limit{QPS: 1, Burst: 2})
	now := time.Now()
	for i, want := range []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second} {
		for range 2 {
			if wait := b.Missing(now); wait < want || wait > want+time.Microsecond {
				t.Errorf("after %d: a token is missing for %v, want %v", i, wait, want)
			}
		}
		b.Spend(now)
	}
	if wait := b.Take(now.Add(3 * time.Second)); wait < time.Second || wait > time.Second+time.Microsecond {
		t.Errorf("there is a token in %v, want one second", wait)
	}
	if wait := b.Take(now.Add(4*time.Second + time.Microsecond)); wait != 0 {
		t.Errorf("there is a token in %v, want now", wait)
	}
	b.Set(ratelimit.Limit{})
	for range 5 {
		b.Spend(now)
	}
	if wait := b.Missing(now); wait != 0 {
		t.Errorf("without a limit a token is missing for %v", wait)
	}
}

// What is given back is there again, but for what a full bucket does not hold.
func TestGiveBack(t *testing.T) {
	b := ratelimit.NewBucket(ratelimit.Limit{QPS: 1, Burst: 2})
	now := time.Now()
	for range 2 {
		for range 2 {
			if wait := b.Take(now); wait != 0 {
				t.Fatalf("there is a token in %v, want now", wait)
			}
		}
		if wait := b.Missing(now); wait <= 0 {
			t.Fatal("there is a token, want none")
		}
		for range 3 {
			b.GiveBack(now)
		}
	}
	if n := drain(b, now); n != 2 {
		t.Errorf("%d tokens, want the burst", n)
	}
	b.Set(ratelimit.Limit{})
	b.GiveBack(now)
	b.Set(ratelimit.Limit{QPS: 1, Burst: 2})
	if n := drain(b, now); n > 2 {
		t.Errorf("%d tokens, want the burst at most", n)
	}
}

func TestUnlimited(t *testing.T) {
	b := ratelimit.New(ratelimit.Limit{}).Bucket("a")
	if n := drain(b, time.Now()); n != 1000 || !b.Unlimited() {
		t.Errorf("%d tokens, Unlimited() = %v", n, b.Unlimited())
	}
}

func TestDefaultBurstIsOneSecondsWorth(t *testing.T) {
	for qps, want := range map[float64]int{0.1: 1, 1: 1, 2.5: 3, 100: 100} {
		if n := drain(ratelimit.New(ratelimit.Limit{QPS: qps}).Bucket("a"), time.Now()); n != want {
			t.Errorf("%v per second: burst of %d, want %d", qps, n, want)
		}
	}
}

func TestVerySlowLimit(t *testing.T) {
	b := ratelimit.New(ratelimit.Limit{QPS: 1e-300}).Bucket("a")
	now := time.Now()
	b.Take(now)
	if wait := b.Take(now); wait != math.MaxInt64 {
		t.Errorf("wait %v", wait)
	}
}

func TestLimitsCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 3})
		a, b := all.Bucket("a"), all.Bucket("b")
		expect := func(what string, bucket *ratelimit.Bucket, after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			if n := drain(bucket, time.Now()); n != want {
				t.Errorf("%s: %d tokens, want %d", what, n, want)
			}
		}
		expect("full at first", a, 0, 3)
		all.Set("a", ratelimit.Limit{QPS: 10, Burst: 100})
		expect("a higher burst is not filled at once", a, 0, 0)
		expect("ten per second", a, 2*time.Second, 20)
		expect("the other has the default still", b, 0, 3)

		all.SetDefault(ratelimit.Limit{QPS: 5, Burst: 50})
		expect("the override stays", a, 2*time.Second, 20)
		expect("the default changes", b, 0, 10)
		all.Unset("a")
		expect("no override any more", a, 2*time.Second, 10)

		all.Set("a", ratelimit.Limit{})
		expect("unlimited", a, 0, 1000)
		time.Sleep(time.Hour)
		all.Set("a", ratelimit.Limit{QPS: 1, Burst: 5})
		if n := drain(a, time.Now()); n > 5 {
			t.Errorf("%d tokens from a time without limit", n)
		}
		time.Sleep(time.Hour)
		all.Set("a", ratelimit.Limit{QPS: 1, Burst: 2})
		expect("more saved up than the new burst", a, 0, 2)
		if l := all.Limit("a"); l.Burst != 2 {
			t.Errorf("limit in effect: %v", l)
		}
	})
}

func TestForget(t *testing.T) {
	all := ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 3})
	all.Set("a", ratelimit.Limit{QPS: 0.001, Burst: 7})
	now := time.Now()
	a := all.Bucket("a")
	if all.Bucket("a") != a {
		t.Error("not the same bucket")
	}
	drain(a, now)
	all.Forget("a")
	all.Forget("unknown")
	if all.Bucket("a") == a {
		t.Error("the bucket was not forgotten")
	}
	if n := drain(all.Bucket("a"), now); n != 7 {
		t.Errorf("a new bucket gave %d tokens; the override is 7", n)
	}
	if n := drain(a, now); n != 0 {
		t.Errorf("the old bucket gave %d tokens", n)
	}
}

func TestNoAllocations(t *testing.T) {
	b := ratelimit.New(ratelimit.Limit{QPS: 1000, Burst: 1}).Bucket("a")
	now := time.Now()
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(300 * time.Microsecond)
		b.Take(now)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// However many take, no more is given out than was there.
func TestConcurrentTake(t *testing.T) {
	all := ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 100})
	now := time.Now()
	var wg sync.WaitGroup
	taken := make(chan int, 8)
	for range 8 {
		wg.Go(func() { taken <- drain(all.Bucket("a"), now) })
		wg.Go(func() { all.Set("b", ratelimit.Limit{QPS: 1}); all.Limit("b"); all.Forget("b") })
	}
	wg.Wait()
	close(taken)
	sum := 0
	for n := range taken {
		sum += n
	}
	if sum != 100 {
		t.Errorf("%d tokens of 100", sum)
	}
}

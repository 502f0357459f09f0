package election

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestWhyATermEnds(t *testing.T) {
	timing := Timing{LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second}
	now := time.Now()
	for _, test := range []struct {
		name, want string
		end        func(e *Election)
		mayStore   bool
	}{
		{"the clock", Expired, func(e *Election) { e.fence.renewed = now.Add(-timing.RenewDeadline - time.Second) }, true},
		{"the elector", Expired, func(e *Election) { e.fence.lose(errors.New("it could not be renewed")) }, true},
		{"another one in the record", Taken, func(e *Election) { e.fence.lose(fmt.Errorf("%w: %q", errTaken, "b")) }, false},
		{"a destination", Refused, func(e *Election) { e.Lose(errors.New("term 4, and this is 3")) }, false},
		{"a destination, after the record", Taken, func(e *Election) { e.fence.lose(errTaken); e.Lose(errors.New("late")) }, false},
	} {
		f := &fence{timing: timing}
		f.renew(now, now)
		e := &Election{timing: timing, fence: f}
		test.end(e)
		if got := Reason(e.MayAct()); got != test.want {
			t.Errorf("%s: %q, want %q; %v", test.name, got, test.want, e.MayAct())
		}
		if err := e.MayStore(); (err == nil) != test.mayStore {
			t.Errorf("%s: MayStore: %v", test.name, err)
		}
	}
	never := &Election{timing: timing, fence: &fence{timing: timing}}
	never.Lose(errors.New("nothing to lose"))
	for _, err := range []error{nil, errNotLeading, errors.New("x"), never.MayAct()} {
		if got := Reason(err); got != "" {
			t.Errorf("%v: %q, want no reason", err, got)
		}
	}
}

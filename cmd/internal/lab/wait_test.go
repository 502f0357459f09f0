package lab

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestWaitUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errNotYet, errTooLate := errors.New("not yet"), errors.New("too late")
		calls := 0
		begun := time.Now()
		err := WaitUntil(t.Context(), time.Second, func() error {
			if calls++; calls < 4 {
				return errNotYet
			}
			return nil
		})
		if err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v, want none after 3s", err, time.Since(begun))
		}

		ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, errTooLate)
		defer cancel()
		err = WaitUntil(ctx, time.Second, func() error { return errNotYet })
		if !errors.Is(err, errTooLate) || !errors.Is(err, errNotYet) {
			t.Errorf("error is %v, want both reasons", err)
		}
	})
}

func TestFreeAddresses(t *testing.T) {
	addresses, err := FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	if len(addresses) != 3 || addresses[0] == addresses[1] || addresses[1] == addresses[2] || addresses[0] == addresses[2] {
		t.Error(addresses)
	}
}

package election

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

var message = regexp.MustCompile(`"msg"="([^"]*)"`)

// TestOneLineForOneEvent: what a leader logs of the lease, for each thing that may happen to it
// between two renewals.
func TestOneLineForOneEvent(t *testing.T) {
	// Each is called before the hub is, with how often that was the case before.
	for name, test := range map[string]struct {
		happens func(h *hub, before int) error
		want    []string
	}{
		"somebody writes the lease once": {func(h *hub, before int) error {
			if before == 0 {
				h.give("a")
			}
			return nil
		}, []string{"Renewed the lease, which somebody else had written"}},
		"somebody writes the lease twice": {func(h *hub, before int) error {
			if before == 0 || before == 2 { // before each write of one attempt
				h.give("a")
			}
			return nil
		}, []string{"The lease cannot be read or written", "The lease can be read and written again"}},
		"somebody takes the lease": {func(h *hub, before int) error {
			if before == 0 {
				h.give("z")
			}
			return nil
		}, []string{"Follows"}},
		"the hub refuses a call": {func(_ *hub, before int) error {
			if before == 0 {
				return errors.New("refused")
			}
			return nil
		}, []string{"The lease cannot be read or written", "The lease can be read and written again"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var told []string
				h := &hub{}
				a := joinWith(t, h, "a", usual, funcr.New(func(_, line string) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, message.FindStringSubmatch(line)[1])
				}, funcr.Options{}))
				<-a.term
				synctest.Wait()
				before := len(told) // that it leads
				calls := 0
				a.client.through(func(_ context.Context, before bool) error {
					if !before {
						return nil
					}
					calls++
					return test.happens(h, calls-1)
				})
				time.Sleep(time.Minute) // many renewals
				synctest.Wait()
				a.finish <- true
				a.stop()
				if err := <-a.result; err != nil && !errors.Is(err, ErrLost) {
					t.Error(err)
				}
				if told := slices.DeleteFunc(told[before:], func(m string) bool { return m == "Released the lease" }); !slices.Equal(told, test.want) {
					t.Errorf("%q, want %q", told, test.want)
				}
			})
		})
	}
}

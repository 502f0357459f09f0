package fleet

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// A hub that has stopped answering looks, to a watch, like one in which nothing changes. So
// it is asked for its version, which is the cheapest request that it answers to everybody.
// A hub that is busy answers late now and then, so silence is hubSilentAfter requests in a
// row without an answer: it is told 8 s after the last answer at the latest.
const (
	hubAskedEvery    = 1500 * time.Millisecond // the pause between two requests
	hubVersionWithin = 2500 * time.Millisecond
	hubSilentAfter   = 2
)

// hubVersion returns a request for the hub's version. The error is nil also if the hub answers
// with one: it has answered.
func hubVersion(hub *rest.Config) (ask func(context.Context) error, err error) {
	client, err := discovery.NewDiscoveryClientForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	return func(ctx context.Context) error {
		var status int
		err := client.RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx).StatusCode(&status).Error()
		if status != 0 {
			return nil
		}
		return err
	}, nil
}

// listen asks the hub until ctx ends, and notes whether it answers. Only silence counts: what
// ends a connection ends the watch, too, whose next request says why.
func (f *hubInformer) listen(ctx context.Context, ask func(context.Context) error, changed func()) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for unanswered := 0; ; {
		pause.Reset(cmp.Or(f.every, hubAskedEvery))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		bounded, cancel := context.WithTimeout(ctx, cmp.Or(f.within, hubVersionWithin))
		err := ask(bounded)
		if err != nil && bounded.Err() != nil {
			unanswered++
		} else {
			unanswered = 0
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		silent := unanswered >= hubSilentAfter
		f.mu.Lock()
		was := f.silent
		f.silent = silent
		f.mu.Unlock()
		if silent != was {
			changed()
		}
	}
}

package stream

import (
	"context"
	"time"
)

// RetryNow ends the delays before the stream's next attempts, those after what its member has refused
// among them, and reports whether there was any. An attempt still comes no sooner than ReconnectMin
// after the end of the one before, and its requests are paced as all are; should it fail, the delays
// go on from where they were. While the member is not live its streams wait for it, and not for an
// attempt. RetryNow may be called from any goroutine and does not block.
func (s *Stream) RetryNow() (waited bool) {
	for _, r := range s.allReaders() {
		waited = r.now.ask() || waited
	}
	return waited
}

// RetryNow is Stream.RetryNow for the next look at what the member serves, if the last one failed.
func (s *Survey) RetryNow() (waited bool) { return s.now.ask() }

// retryNow ends a delay before its time. There is one for each goroutine that waits.
type retryNow chan struct{}

func newRetryNow() retryNow { return make(retryNow) }

// ask ends a wait, and reports whether there is one.
func (n retryNow) ask() bool {
	select {
	case n <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait returns once delay is over, ctx ends, or one of the channels can be received from; or, if it
// is asked for, after least. sooner is called when it is, with what is left of the delay. A nil
// channel is none.
func (n retryNow) wait(ctx context.Context, delay, least time.Duration, sooner func(left time.Duration), changed, more <-chan struct{}) {
	began := time.Now()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		select {
		case <-n:
			delay = min(delay, least)
			left := max(delay-time.Since(began), 0)
			timer.Reset(left)
			sooner(left)
			continue
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		case <-more:
		}
		return
	}
}

package memberstatus

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConditionThrottled is whether changes of a member wait for its own rate limit.
const ConditionThrottled = "Throttled"

const (
	// ThrottleWindow is the time over which it is decided whether a cluster is throttled.
	ThrottleWindow = 10 * time.Second
	// A cluster becomes throttled when only tokens were missing for half of the window,
	// and stays so until they were for less than a tenth: else it would turn all the time.
	throttledFrom, throttledTo = 2, 10
)

// Throttling decides whether one cluster is throttled, of which each K has tokens of its own: a
// route of the program, or a queue of a controller. The zero value is ready to use. One goroutine
// at a time uses it.
type Throttling[K comparable] struct {
	is    bool
	since time.Time
	at    time.Time           // the begin of the window
	total map[K]time.Duration // for which tokens have been missing then
}

// Look returns ConditionThrottled, given for how long items have waited only for a token, since
// whenever, and that is so at now. The K that has waited longest counts. Whoever looks less often
// than once per ThrottleWindow is told of the whole time since the last look; the first look tells
// of none.
func (t *Throttling[K]) Look(total map[K]time.Duration, now time.Time) metav1.Condition {
	passed, missing := now.Sub(t.at), time.Duration(0)
	for k, d := range total {
		missing = max(missing, d-t.total[k]) // one that is made anew begins at 0
	}
	switch {
	case t.at.IsZero():
		t.since, t.at, t.total = now, now, total
	case passed >= ThrottleWindow:
		is := missing >= passed/throttledFrom || t.is && missing >= passed/throttledTo
		if is != t.is {
			t.is, t.since = is, now
		}
		t.at, t.total = now, total
	}
	c := metav1.Condition{
		Type: ConditionThrottled, Status: metav1.ConditionFalse, Reason: "WithinLimits", LastTransitionTime: metav1.NewTime(t.since),
	}
	if t.is {
		c.Status, c.Reason = metav1.ConditionTrue, "RateLimit"
		c.Message = "changes wait for the cluster's own rate limit"
	}
	return c
}

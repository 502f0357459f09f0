package app

import (
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// tokenOf returns how long the change waits for its own token, if the next one is due after wait:
// those ahead of it take theirs first. 0: none is missing.
func (f *facts) tokenOf(wait time.Duration, rate float64) time.Duration {
	if wait == 0 || rate == 0 {
		return 0
	}
	return wait + time.Duration(float64(f.place.Ahead)/rate*float64(time.Second))
}

// routeLimited reports whether an ordered limit of the route holds up what waits for its sink.
func (f *facts) routeLimited() bool { return f.total > 0 && f.ofRoute.Rate() > 0 }

// streamLimited reports whether an ordered limit of the resource keeps the stream from reading.
func (f *facts) streamLimited() bool {
	return !f.found.Stream.LimitedSince.IsZero() && f.ofStream.Rate() > 0
}

// clusterRate names the rate of the cluster, and who has set it if somebody has. Orders are not
// about what is read from lists.
func (f *facts) clusterRate() string {
	text := fmt.Sprintf("its cluster's rate of %v per second", f.rate)
	if o := f.ofCluster; o.Rate() > 0 && !f.place.Snapshot {
		text += ", set " + o.Said()
	}
	return text
}

// limitOf names an ordered limit, and who has set it.
func limitOf(o *api.LimitsOrder) string {
	return fmt.Sprintf("the limit of %s, %v per second, set %s", o.Target, o.Rate(), o.Said())
}

// limited says so of a change that waits in its lane for a token of its route's limit. Changes of
// other clusters take their turns before it, so that it may take longer.
func (f *facts) limited(v *api.Verdict, what string) {
	wait := f.tokenOf(f.total, f.ofRoute.Rate())
	v.Reason, v.NextTry = api.ReasonLimited, f.now.Add(wait)
	v.Message = fmt.Sprintf("%s is %s and is throttled for at least %s by %s.", what, f.inLine(v), about(wait), limitOf(f.ofRoute))
}

package fleet

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// The annotations of a Secret or ClusterProfile that say more about its cluster.
const (
	// annotationName names the cluster; without it the object or its format does.
	annotationName = "fairlead.dev/cluster-name"

	annotationQPS    = "fairlead.dev/qps"
	annotationBurst  = "fairlead.dev/burst"
	annotationWeight = "fairlead.dev/weight"
	annotationPaused = "fairlead.dev/paused"

	annotationSnapshotQPS = "fairlead.dev/snapshot-qps"

	annotationMaxObjects     = "fairlead.dev/max-objects"
	annotationMaxLedgerBytes = "fairlead.dev/max-ledger-bytes"
)

// Limits are what a description asks for its cluster, over what holds for every
// other. Only objects of the hub can say so, in annotations.
type Limits struct {
	// QPS is how many changes per second the cluster may put into the reconcile
	// stage, 0 or more; 0 is no limit. Nil leaves the default.
	QPS *float64
	// SnapshotQPS is the same for the objects of a snapshot, which do not count in
	// QPS. Nil leaves the default.
	SnapshotQPS *float64
	// Burst is how many it may put in at once after a rest, at least 1. Nil
	// leaves the default.
	Burst *int
	// Weight is its share of turns, at least 1. Nil leaves the default.
	Weight *int
	// MaxObjects is how many objects of it the ledger may know, 0 or more; 0 is no
	// bound. MaxLedgerBytes is how many bytes these may take there. Nil leaves the
	// default.
	MaxObjects     *int
	MaxLedgerBytes *int64
	// Paused says that the cluster stays in the fleet, but is not connected to.
	Paused bool
}

// Over returns the limits with what they do not set taken from the given ones.
func (l Limits) Over(qps float64, burst, weight int) (float64, int, int) {
	if l.QPS != nil {
		qps = *l.QPS
	}
	if l.Burst != nil {
		burst = *l.Burst
	}
	if l.Weight != nil {
		weight = *l.Weight
	}
	return qps, burst, weight
}

// OverSnapshotQPS returns SnapshotQPS, or qps if that is not set.
func (l Limits) OverSnapshotQPS(qps float64) float64 {
	if l.SnapshotQPS != nil {
		return *l.SnapshotQPS
	}
	return qps
}

// OverQuota returns the bounds of what the cluster may have in the ledger, with
// what they do not set taken from the given ones.
func (l Limits) OverQuota(objects int, bytes int64) (int, int64) {
	if l.MaxObjects != nil {
		objects = *l.MaxObjects
	}
	if l.MaxLedgerBytes != nil {
		bytes = *l.MaxLedgerBytes
	}
	return objects, bytes
}

// Equal says whether both ask for the same.
func (l Limits) Equal(other Limits) bool {
	return same(l.QPS, other.QPS) && same(l.SnapshotQPS, other.SnapshotQPS) && same(l.Burst, other.Burst) && same(l.Weight, other.Weight) &&
		same(l.MaxObjects, other.MaxObjects) && same(l.MaxLedgerBytes, other.MaxLedgerBytes) && l.Paused == other.Paused
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// parseLimits reads the annotations. With an error the limits are of no use.
func parseLimits(annotations map[string]string) (Limits, error) {
	var (
		l    Limits
		errs []error
	)
	bad := func(name, want string) {
		errs = append(errs, fmt.Errorf("annotation %s: %q is not %s", name, clip(annotations[name]), want))
	}
	for _, rate := range []struct {
		name string
		into **float64
	}{{annotationQPS, &l.QPS}, {annotationSnapshotQPS, &l.SnapshotQPS}} {
		v, ok := annotations[rate.name]
		if !ok {
			continue
		}
		// The upper bound only keeps what comes after from overflowing.
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || f != 0 && !(ratelimit.MinQPS <= f && f <= math.MaxInt32) {
			bad(rate.name, fmt.Sprintf("0, for no limit, or a number of %v or more; to stop the cluster there is %s", ratelimit.MinQPS, annotationPaused))
		} else {
			*rate.into = &f
		}
	}
	for _, count := range []struct {
		name string
		into **int
	}{{annotationBurst, &l.Burst}, {annotationWeight, &l.Weight}} {
		v, ok := annotations[count.name]
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(v, 10, 32); err != nil || n < 1 {
			bad(count.name, "a whole number of 1 or more")
		} else {
			*count.into = new(int(n))
		}
	}
	if v, ok := annotations[annotationMaxObjects]; ok {
		if n, err := strconv.ParseInt(v, 10, 32); err != nil || n < 0 {
			bad(annotationMaxObjects, "a whole number of 0 (no bound) or more")
		} else {
			l.MaxObjects = new(int(n))
		}
	}
	if v, ok := annotations[annotationMaxLedgerBytes]; ok {
		q, err := resource.ParseQuantity(v)
		if n, ok := q.AsInt64(); err != nil || !ok || n < 0 {
			bad(annotationMaxLedgerBytes, "a whole number of bytes of 0 (no bound) or more, such as 64Mi")
		} else {
			l.MaxLedgerBytes = &n
		}
	}
	switch v, ok := annotations[annotationPaused]; {
	case !ok || v == "false":
	case v == "true":
		l.Paused = true
	default:
		bad(annotationPaused, "true or false")
	}
	return l, errors.Join(errs...)
}

// clip keeps what somebody has put where something short belongs from filling a
// log line.
func clip(value string) string { return redact.Cut(value, 40) }

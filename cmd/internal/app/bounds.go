package app

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

// Smallest and largest values of flags. What lies outside was mistyped, or
// cannot do what was meant: a watch that is reopened every nanosecond, a lane of
// more bytes than any machine has. Within, what is sensible is the operator's
// to say.
const (
	leastRate = ratelimit.MinQPS
	mostRate  = 1e6
	mostBurst = 10_000_000

	mostLane    = 10_000_000
	mostObjects = 1_000_000_000
	mostBytes   = 1 << 40
	mostWorkers = 10_000
	mostAtOnce  = 10_000

	leastReconnect = 10 * time.Millisecond

	day = 24 * time.Hour
)

// number is a flag whose value is a number, a size or a duration.
type number struct {
	flag        string
	least, most string // as they are written in the flag; most is empty without an upper bound
	orZero      bool   // 0 is allowed besides, and means something else
	err         error  // the value lies outside
}

// within is a flag that must lie between least and most. hint says what to give
// instead of what lies outside, or is empty.
func within[T cmp.Ordered](flag string, value, least, most T, hint string) number {
	n := number{flag: flag, least: shown(least), most: shown(most)}
	if hint != "" {
		hint = "; " + hint
	}
	switch {
	case value >= least && value <= most:
	case value < least:
		n.err = fmt.Errorf("%s is less than %s, the least it can be%s", shown(value), n.least, hint)
	case value > most:
		n.err = fmt.Errorf("%s is more than %s, the most it can be%s", shown(value), n.most, hint)
	default:
		n.err = fmt.Errorf("%v is no number%s", value, hint)
	}
	return n
}

// zeroOrWithin is a flag that is 0, or lies between least and most.
func zeroOrWithin[T cmp.Ordered](flag string, value, least, most T, hint string) number {
	n := within(flag, value, least, most, hint)
	n.orZero = true
	if value == *new(T) {
		n.err = nil
	}
	return n
}

// shown returns a value as it is written in a flag.
func shown(value any) string {
	if b, ok := value.(byteSize); ok {
		return b.String()
	}
	return fmt.Sprint(value)
}

// numbers are the flags that are numbers, with what each may be.
func (c *Config) numbers() []number {
	return []number{
		zeroOrWithin("cluster-qps", c.ClusterQPS, leastRate, mostRate, "give changes per second, or 0 for no limit"),
		zeroOrWithin("cluster-snapshot-qps", c.ClusterSnapshotQPS, leastRate, mostRate, "give objects per second, or 0 for no limit"),
		within("cluster-burst", c.ClusterBurst, 1, mostBurst, "give changes"),
		within("lane-capacity", c.LaneCapacity, 1, mostLane, "give changes"),
		within("lane-bytes", c.LaneBytes, 1, mostBytes, "give bytes, such as 16Mi"),
		zeroOrWithin("memory-budget", c.MemoryBudget, byteSize(leastBudget(len(c.Sinks))), mostBytes,
			"each sink needs 33Mi, for the largest object and the copy that is made of it, and the lanes 16Mi; leave it out for half of the memory that there is"),
		within("max-objects", c.MaxObjects, 0, mostObjects, "0 is no bound"),
		within("max-ledger-bytes", c.MaxLedgerBytes, 0, mostBytes, "give bytes, such as 128Mi; 0 is no bound"),
		within("trace-ratio", c.TraceRatio, 0, 1, "1 is all changes"),
		zeroOrWithin("trace-lag", c.TraceLag, time.Millisecond, day, "0 is none"),
		within("metrics-max-clusters", c.MetricsMaxClusters, 0, mostObjects, "0 is no bound"),
		within("max-streams", c.MaxStreams, 0, mostObjects, "0 is no bound"),
		within("workers", c.Workers, 1, mostWorkers, ""),
		within("api-qps", c.APIQPS, leastRate, mostRate, "give requests per second"),
		within("api-burst", c.APIBurst, 1, mostBurst, "give requests"),
		within("max-concurrent-snapshots", c.MaxConcurrentSnapshots, 1, mostAtOnce, ""),
		within("route-extra-watches", c.RouteExtraWatches, 1, mostAtOnce, ""),

		within("reconnect-min", c.ReconnectMin, leastReconnect, day, ""),
		within("reconnect-max", c.ReconnectMax, leastReconnect, day, ""),
		within("connect-timeout", c.ConnectTimeout, 100*time.Millisecond, time.Hour, ""),
		within("sync-timeout", c.SyncTimeout, time.Second, 30*day, ""),
		within("stale-after", c.StaleAfter, time.Second, day, "API servers send a bookmark about every minute"),
		within("ledger-retention", c.LedgerRetention, time.Minute, 3650*day, ""),
		within("name-hold", c.NameHold, 0, 30*day, "0 is not at all"),
		within("drain-timeout", c.DrainTimeout, 0, time.Hour, ""),
		zeroOrWithin("audit-interval", c.AuditInterval, time.Minute, 3650*day, "each audit lists all objects; 0 is never"),
	}
}

// checkNumbers reports the numbers that cannot be meant.
func (c *Config) checkNumbers(p *problems) {
	for _, n := range c.numbers() {
		if n.err != nil {
			p.addError(n.flag, n.err)
		}
	}
	if c.ReconnectMin > c.ReconnectMax && c.ReconnectMax >= leastReconnect {
		p.add("reconnect-min", "%v is more than --reconnect-max %v", c.ReconnectMin, c.ReconnectMax)
	}
}

// checkAddresses reports what cannot be listened on.
func (c *Config) checkAddresses(p *problems) {
	for _, f := range []struct{ flag, address string }{
		{"metrics-bind-address", c.MetricsBindAddress}, {"health-probe-bind-address", c.HealthProbeBindAddress},
		{"admin-bind-address", c.AdminBindAddress},
	} {
		if f.address == "0" {
			continue
		}
		if _, _, err := net.SplitHostPort(f.address); err != nil {
			p.add(f.flag, "%q is no address: %w; give HOST:PORT, :PORT, or 0 for none", f.address, err)
		}
	}
}

// checkFiles reports files that are named and do not exist, also if nothing
// needs them this time: they would be missing when something does.
func (c *Config) checkFiles(p *problems) {
	for _, f := range []struct{ flag, path string }{
		{"hub-kubeconfig", c.HubKubeconfig}, {"cluster-profile-access-providers", c.AccessProviders},
	} {
		if f.path == "" {
			continue
		}
		switch info, err := os.Stat(f.path); {
		case err != nil:
			p.add(f.flag, "%w; name a file, or leave the flag out", err)
		case info.IsDir():
			p.add(f.flag, "%q is a folder; name a file", f.path)
		}
	}
}

// givenName is a flag's name of something: it may be left out, but not be given
// as nothing, as by a variable of a script that is not set.
type givenName string

// Set implements pflag.Value.
func (n *givenName) Set(s string) error {
	if s == "" {
		return errors.New("no name; give one, or leave the flag out")
	}
	*n = givenName(s)
	return nil
}

func (n *givenName) String() string { return string(*n) }

// Type implements pflag.Value.
func (n *givenName) Type() string { return "string" }

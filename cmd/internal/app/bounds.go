package app

import (
	"cmp"
	"errors"
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

	day = 24 * time.Hour
)

// within adds a problem if a flag's value is not between least and most. hint
// says what to give instead, or is empty.
func within[T cmp.Ordered](p *problems, flag string, value, least, most T, hint string) {
	if hint != "" {
		hint = "; " + hint
	}
	switch {
	case value >= least && value <= most:
	case value < least:
		p.add(flag, "%v is less than %v, the least it can be%s", shown(value), shown(least), hint)
	case value > most:
		p.add(flag, "%v is more than %v, the most it can be%s", shown(value), shown(most), hint)
	default:
		p.add(flag, "%v is no number%s", value, hint)
	}
}

// shown returns a value as it is written in a flag.
func shown(value any) any {
	if b, ok := value.(byteSize); ok {
		return b.String()
	}
	return value
}

// checkNumbers reports the numbers that cannot be meant.
func (c *Config) checkNumbers(p *problems) {
	if c.ClusterQPS != 0 {
		within(p, "cluster-qps", c.ClusterQPS, leastRate, mostRate, "give changes per second, or 0 for no limit")
	}
	if c.ClusterSnapshotQPS != 0 {
		within(p, "cluster-snapshot-qps", c.ClusterSnapshotQPS, leastRate, mostRate, "give objects per second, or 0 for no limit")
	}
	within(p, "cluster-burst", c.ClusterBurst, 1, mostBurst, "give changes")
	within(p, "lane-capacity", c.LaneCapacity, 1, mostLane, "give changes")
	within(p, "lane-bytes", c.LaneBytes, 1, mostBytes, "give bytes, such as 16Mi")
	c.checkMemory(p)
	within(p, "max-objects", c.MaxObjects, 0, mostObjects, "0 is no bound")
	within(p, "max-ledger-bytes", c.MaxLedgerBytes, 0, mostBytes, "give bytes, such as 128Mi; 0 is no bound")
	within(p, "workers", c.Workers, 1, mostWorkers, "")
	within(p, "api-qps", c.APIQPS, leastRate, mostRate, "give requests per second")
	within(p, "api-burst", c.APIBurst, 1, mostBurst, "give requests")
	within(p, "max-concurrent-snapshots", c.MaxConcurrentSnapshots, 1, mostAtOnce, "")
	within(p, "route-extra-watches", c.RouteExtraWatches, 1, mostAtOnce, "")

	within(p, "reconnect-min", c.ReconnectMin, 10*time.Millisecond, day, "")
	within(p, "reconnect-max", c.ReconnectMax, 10*time.Millisecond, day, "")
	if c.ReconnectMin > c.ReconnectMax && c.ReconnectMax >= 10*time.Millisecond {
		p.add("reconnect-min", "%v is more than --reconnect-max %v", c.ReconnectMin, c.ReconnectMax)
	}
	within(p, "connect-timeout", c.ConnectTimeout, 100*time.Millisecond, time.Hour, "")
	within(p, "sync-timeout", c.SyncTimeout, time.Second, 30*day, "")
	within(p, "stale-after", c.StaleAfter, time.Second, day, "API servers send a bookmark about every minute")
	within(p, "ledger-retention", c.LedgerRetention, time.Minute, 3650*day, "")
	within(p, "name-hold", c.NameHold, 0, 30*day, "0 is not at all")
	within(p, "drain-timeout", c.DrainTimeout, 0, time.Hour, "")
	if c.AuditInterval != 0 {
		within(p, "audit-interval", c.AuditInterval, time.Minute, 3650*day, "each audit lists the metadata of all objects; 0 is never")
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

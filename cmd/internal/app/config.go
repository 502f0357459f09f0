package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// defaultLedger is a file in the working directory.
const defaultLedger = "fairlead.ledger"

// Config is what the flags of `fairlead run` say.
type Config struct {
	File givenName // of values for flags; empty: none

	Clusters        []string
	IncludeHub      givenName     // the hub's name as a member
	HubKubeconfig   string        // path
	AccessProviders string        // path
	NameHold        time.Duration // 0: not at all

	Watches       []string
	WatchExcludes []string
	Sinks         []string

	Selection     selection.Texts // for all sinks
	RedactKeyFile string          // path

	ClusterQPS         float64 // changes per second and cluster
	ClusterBurst       int     // changes
	ClusterSnapshotQPS float64 // objects of a snapshot per second and cluster; 0: no limit
	ClusterLimits      []string
	LaneCapacity       int // changes per cluster
	LaneBytes          byteSize
	MemoryBudget       byteSize // 0: by what there is
	MaxObjects         int      // per cluster; 0: no bound
	MaxLedgerBytes     byteSize
	MaxStreams         int // per cluster; 0: no bound
	Workers            int

	APIQPS   float64 // requests per second and member
	APIBurst int     // requests

	ReconnectMin           time.Duration
	ReconnectMax           time.Duration
	ConnectTimeout         time.Duration
	SyncTimeout            time.Duration
	StaleAfter             time.Duration
	MaxConcurrentSnapshots int
	RouteExtraWatches      int
	DrainTimeout           time.Duration
	IncludeSecretValues    bool

	Ledger          string
	LedgerRetention time.Duration
	AuditInterval   time.Duration // 0: never

	DeadLetter string // path; empty: none

	LeaderElect             bool
	LeaderElectLock         string
	LeaderElectionID        string // the Lease's name
	LeaderElectionNamespace string // empty: the Pod's
	LeaderElection          election.Timing
	AdvertiseAddress        string // empty: not told
	LeaderLabel             string // NAMESPACE/NAME of the Pod; empty: none

	MemberStatus           string // namespace; empty: none
	TraceEndpoint          string // empty: nothing is traced
	TraceRatio             float64
	TraceLag               time.Duration // 0: no change is traced for being late
	MetricsBindAddress     string
	MetricsMaxClusters     int
	HealthProbeBindAddress string
	AdminBindAddress       string
	LogLevel               string
	LogFormat              string

	unreadable problems                      // values that are not even of their flag's type
	given      []givenFlag                   // all that were set, in their order
	origins    map[string]configfile.Setting // of the flags whose values are from the file
	elsewhere  bool                          // the program is to run on another machine: see check
}

// givenFlag is a flag that was set, and to what.
type givenFlag struct{ name, value string }

// problems collects everything that is wrong with the flags.
type problems []error

func (p *problems) add(flag, format string, args ...any) {
	p.addError(flag, fmt.Errorf(format, args...))
}

// addError adds each error that err joins.
func (p *problems) addError(flag string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			p.addError(flag, e)
		}
	} else if err != nil {
		*p = append(*p, fmt.Errorf("--%s: %w", flag, err))
	}
}

// check reports every bad value, by flag, before anything connects. What the
// parsers of single flags report is not told here again. What depends on the machine, such as
// files that are named, is not looked at if that is another one.
func (c *Config) check() error {
	p := slices.Clone(c.unreadable)
	c.checkNumbers(&p)
	if !c.elsewhere {
		c.checkFiles(&p)
	}
	c.checkLeaderElection(&p)
	c.checkMemberStatus(&p)
	c.checkTracing(&p)
	c.checkAddresses(&p)
	if _, err := parseLevel(c.LogLevel); err != nil {
		p.add("log-level", "%w", err)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		p.add("log-format", "%q is neither text nor json", c.LogFormat)
	}
	return errors.Join(p...)
}

// clusterLimit is one --cluster-limit.
type clusterLimit struct {
	cluster string
	limit   ratelimit.Limit
	weight  int
}

// parseClusterLimits parses the values of --cluster-limit and reports all that
// are bad.
func parseClusterLimits(values []string) ([]clusterLimit, error) {
	var p problems
	var limits []clusterLimit
	seen := map[string]string{}
	for _, v := range values {
		l, err := parseClusterLimit(v)
		if err != nil {
			p.add("cluster-limit", "%q: %w", v, err)
			continue
		}
		if other, ok := seen[l.cluster]; ok {
			p.add("cluster-limit", "%q: %q says something else of the same cluster; keep one", v, other)
			continue
		}
		seen[l.cluster] = v
		limits = append(limits, l)
	}
	return limits, errors.Join(p...)
}

// parseClusterLimit parses NAME=QPS:BURST[:WEIGHT]. A name may itself hold
// colons and equals signs, as the contexts of some providers do.
func parseClusterLimit(s string) (clusterLimit, error) {
	const form = "it is NAME=QPS:BURST[:WEIGHT], such as edge-1=50:100:2"
	i := strings.LastIndex(s, "=")
	if i < 1 {
		return clusterLimit{}, errors.New("no cluster name; " + form)
	}
	l := clusterLimit{cluster: s[:i], weight: 1}
	fields := strings.Split(s[i+1:], ":")
	if len(fields) < 2 || len(fields) > 3 {
		return clusterLimit{}, fmt.Errorf("%d numbers after the name; %s", len(fields), form)
	}
	var err error
	if l.limit.QPS, err = parseRate(fields[0]); err != nil {
		return clusterLimit{}, fmt.Errorf("QPS %w; %s", err, form)
	}
	if l.limit.Burst, err = parseCount(fields[1]); err != nil {
		return clusterLimit{}, fmt.Errorf("BURST %w; %s", err, form)
	}
	if len(fields) == 3 {
		if l.weight, err = parseCount(fields[2]); err != nil {
			return clusterLimit{}, fmt.Errorf("WEIGHT %w; %s", err, form)
		}
	}
	return l, nil
}

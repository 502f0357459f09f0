package app

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// flagTopics are the flags of `fairlead run`, in the order in which --help shows
// them.
var flagTopics = []struct {
	title string
	add   func(*Config, *pflag.FlagSet)
}{
	{"Members", (*Config).addMembersFlags},
	{"Resources", (*Config).addResourcesFlags},
	{"Sinks", (*Config).addSinksFlags},
	{"Limits of each cluster", (*Config).addFairnessFlags},
	{"Connections to members", (*Config).addConnectionsFlags},
	{"Ledger", (*Config).addMemoryFlags},
	{"High availability", (*Config).addElectionFlags},
	{"Observation and administration", (*Config).addServingFlags},
}

func (c *Config) addFlags(f *pflag.FlagSet) {
	for _, topic := range flagTopics {
		topic.add(c, f)
	}
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Value = lenient{flag.Value, flag.Name, &c.unreadable}
		if flag.DefValue == "[]" {
			flag.DefValue = "" // pflag leaves it out of --help only where it knows the type
		}
	})
}

func (c *Config) addMembersFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Clusters, "clusters", nil, "where the member clusters are described; repeatable.\n"+
		fleet.NewTable(memberKinds).Help()+"\n"+
		"(default: the current context of the kubeconfig that kubectl would use)")
	f.Var(&c.IncludeHub, "include-hub", "the hub is a member too, under this name")
	f.StringVar(&c.HubKubeconfig, "hub-kubeconfig", "", "kubeconfig whose current context is the hub.\n"+
		"(default: the pod's service account, else as kubectl would find it)")
	f.StringVar(&c.AccessProviders, "cluster-profile-access-providers", "", "JSON file with the commands that get credentials for ClusterProfiles, as of KEP-5339")
	f.DurationVar(&c.NameHold, "name-hold", fleet.DefaultNameHold, "how long a name is kept: for the Secret or ClusterProfile that had it and is gone, and for the\n"+
		"cluster that had it while another one answers, before all that is known of it is told as deleted; 0 is not at all.\n"+
		"Longer than a Secret takes to be deleted and created again, or a mistaken address to be mended")
}

func (c *Config) addResourcesFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Watches, "watch", nil, "what to follow in every member; repeatable, comma-separated.\n"+
		"resource[.group][/version][?namespace=...&labelSelector=...&fieldSelector=...&mode=metadata]\n"+
		"plural, singular or short name, as in kubectl; required")
	f.BoolVar(&c.IncludeSecretValues, "include-secret-values", false, "deliver the values of Secrets; without it only their metadata leaves the member")
}

func (c *Config) addSinksFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Sinks, "sink", []string{"stdout:"}, "where changes go; repeatable.\n"+new(Options).sinkKinds().Table().Help())
	f.StringVar(&c.DeadLetter, "dead-letter", "", "file for changes that a sink refuses for good: JSON lines with reason, time and attempts, reopened on SIGHUP.\n"+
		"Such a change then counts as accepted; see fairlead dead-letter.\n"+
		"(default: none; a refused change is tried again like any other, and holds the resume point)")
	f.IntVar(&c.Workers, "workers", 64, "deliveries to the sinks that may be under way at once at most, those included that wait for the ledger.\n"+
		"How many there are, and how large, follows from how long sinks take: up to 1,000 changes for one that takes the same for any\n"+
		"number, one for one that takes its time for each, so that it has little under way when a change of a quiet cluster comes")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 20*time.Second, "how long SIGTERM lets waiting changes reach the sinks.\n"+
		"Less than the 30 s that a Pod has to end")
}

// defaultMaxLedgerBytes is what 500,000 objects take with namespaces and names of
// 50 bytes together, which is 57 MB, and as much again.
const defaultMaxLedgerBytes = 128 << 20

func (c *Config) addFairnessFlags(f *pflag.FlagSet) {
	f.Float64Var(&c.ClusterQPS, "cluster-qps", 200, "changes per second that one cluster may put into the reconcile stage; 0 is no limit.\n"+
		"A flood of one cluster costs the others little. The objects of a snapshot do not count: see --cluster-snapshot-qps")
	f.IntVar(&c.ClusterBurst, "cluster-burst", 400, "changes that one cluster may put in at once after a rest.\n"+
		"Two seconds' worth, so that a rollout passes undelayed")
	f.Float64Var(&c.ClusterSnapshotQPS, "cluster-snapshot-qps", 0, "objects of a snapshot per second that one cluster may put into the reconcile stage; 0 is no limit.\n"+
		"They have their turns behind every cluster's live changes, and take no token from these: a cluster is in as soon as the sinks can take it")
	f.StringArrayVar(&c.ClusterLimits, "cluster-limit", nil, "override for one cluster, NAME=QPS:BURST[:WEIGHT]; repeatable.\n"+
		"WEIGHT (default 1) is its share of turns when several clusters are ready")
	f.IntVar(&c.LaneCapacity, "lane-capacity", queue.DefaultLaneCapacity, "changes of one cluster that may wait; a full lane stops the reading of that cluster.\n"+
		"Five seconds' worth at the default rate")
	c.LaneBytes = queue.DefaultLaneBytes
	f.Var(&c.LaneBytes, "lane-bytes", "memory that the changes of one cluster may take that wait or are in work, such as 16Mi.\n"+
		"Bounds what --lane-capacity large objects would take")
	f.Var(&c.MemoryBudget, "memory-budget", "memory for all changes that are read, wait or are in work, over all clusters and sinks, such as 1Gi.\n"+
		"At least 33Mi for each sink and 16Mi. Half of it is divided among the lanes, a quarter among the sinks; the rest goes to whoever needs it\n"+
		"(default: half of GOMEMLIMIT, or of the container's memory limit, else 512Mi)")
	f.IntVar(&c.MaxObjects, "max-objects", 500_000, "objects of one cluster that the ledger may know, over all of --watch; 0 is no bound.\n"+
		"What is beyond is left out, and the cluster's streams say so; the other clusters go on")
	c.MaxLedgerBytes = defaultMaxLedgerBytes
	f.Var(&c.MaxLedgerBytes, "max-ledger-bytes", "what the objects of one cluster may take in the ledger, 64 bytes and its name each; 0 is no bound.\n"+
		"Twice what 500,000 ordinary objects take; of the file it may take four times that")
}

func (c *Config) addConnectionsFlags(f *pflag.FlagSet) {
	f.Float64Var(&c.APIQPS, "api-qps", 20, "requests per second to one member's API server.\n"+
		"Streams need few; this bounds discovery and lists after a reconnect")
	f.IntVar(&c.APIBurst, "api-burst", 40, "requests to one member's API server at once after a rest.\n"+
		"Enough to start 20 streams without waiting")
	f.DurationVar(&c.ConnectTimeout, "connect-timeout", 30*time.Second, "how long a member may take to accept a connection, and to answer a probe.\n"+
		"Longer than a slow TLS handshake over a bad line takes")
	f.DurationVar(&c.ReconnectMin, "reconnect-min", time.Second, "upper bound of the first reconnect delay; it doubles from there, with full jitter.\n"+
		"A restarted API server is back in seconds")
	f.DurationVar(&c.ReconnectMax, "reconnect-max", time.Minute, "longest reconnect delay.\n"+
		"Of a member that answers and refuses; one that is silent is asked every 5s whether it answers")
	f.DurationVar(&c.SyncTimeout, "sync-timeout", 10*time.Minute, "how long a snapshot may take, not counting the time it waits for its own lane.\n"+
		"Longer than the largest lists take")
	f.DurationVar(&c.StaleAfter, "stale-after", 3*time.Minute, "silence after which a watch counts as stale and is reopened.\n"+
		"API servers send a bookmark about every minute, and are asked to end watches without any sooner")
	f.IntVar(&c.RouteExtraWatches, "route-extra-watches", sources.DefaultExtraWatches, "watches that sinks which are behind may have beside the shared one, of each resource of each cluster.\n"+
		"A sink that needs one and gets none waits")
	f.IntVar(&c.MaxConcurrentSnapshots, "max-concurrent-snapshots", 8, "snapshots that may start at once across the fleet.\n"+
		"Keeps a restart of the hub from being a herd")
}

func (c *Config) addMemoryFlags(f *pflag.FlagSet) {
	f.StringVar(&c.Ledger, "ledger", defaultLedger, "what remembers what was delivered, so that a restart neither replays nor misses anything.\n"+
		new(Options).storeKinds().Table().Help())
	f.DurationVar(&c.LedgerRetention, "ledger-retention", ledger.DefaultRetention, "how long a cluster that left the fleet is remembered, and a resource that is\n"+
		"not watched any more: then its deletions are delivered. Longer than a cluster stays away for repairs")
	f.DurationVar(&c.AuditInterval, "audit-interval", 24*time.Hour, "how often what was delivered is compared with what a member holds, give or take a fifth; 0 is never.\n"+
		"An alarm for what no rule foresaw; it costs one list of metadata")
}

func (c *Config) addElectionFlags(f *pflag.FlagSet) {
	f.BoolVar(&c.LeaderElect, "leader-elect", false, "deliver only while this process holds a lock, so that another one can stand by")
	f.StringVar(&c.LeaderElectLock, "leader-elect-lock", defaultLock, "the lock; those that share a ledger share it. Without more it is a Lease as the next two flags say.\n"+
		locks.NewTable(lockKinds).Help())
	f.StringVar(&c.LeaderElectionID, "leader-election-id", defaultLeaseName, "name of the Lease; those that share a ledger share it")
	f.StringVar(&c.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease.\n"+
		"(default: that of the pod)")
	f.DurationVar(&c.LeaderElection.LeaseDuration, "leader-election-lease-duration", 15*time.Second, "how long followers wait for a leader that does not renew the lock; whole seconds.\n"+
		"Longer than an API server takes to restart")
	f.DurationVar(&c.LeaderElection.RenewDeadline, "leader-election-renew-deadline", 10*time.Second, "age of the last renewal at which the leader stops delivering and exits.\n"+
		"The rest of the lease duration is what a write under way has to end")
	f.DurationVar(&c.LeaderElection.RetryPeriod, "leader-election-retry-period", 2*time.Second, "pause between two requests about the lock.\n"+
		"Leaves time for several before the renew deadline")
}

func (c *Config) addServingFlags(f *pflag.FlagSet) {
	f.StringVar(&c.MetricsBindAddress, "metrics-bind-address", ":8080", "address of /metrics; 0 serves none")
	f.StringVar(&c.HealthProbeBindAddress, "health-probe-bind-address", ":8081", "address of /healthz, /readyz and /clusters; 0 serves none")
	f.StringVar(&c.AdminBindAddress, "admin-bind-address", defaultAdminAddress, "address for fairlead replay and fairlead dead-letter retry; 0 serves none.\n"+
		"It asks nobody who they are, so keep it to the machine or Pod itself")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
}

// lenient is a flag's value whose errors are told together with all others,
// rather than being the end of parsing.
type lenient struct {
	pflag.Value
	flag string
	bad  *problems
}

// Set notes what cannot be read, and leaves the value as it was: what pflag puts
// there instead, zero, would be told to be wrong as well.
func (l lenient) Set(s string) error {
	before := l.String()
	if err := l.Value.Set(s); err != nil {
		if what := kindsOfValues[l.Type()]; what != "" && !errors.Is(err, strconv.ErrRange) {
			err = errors.New("no " + what)
		}
		l.bad.add(l.flag, "%q: %w", s, err)
		_ = l.Value.Set(before) // what can be shown can be set, but for no name, which has not changed
	}
	return nil
}

// kindsOfValues says in words what the values of a type are, where its errors
// speak of Go.
var kindsOfValues = map[string]string{
	"bool": "yes or no; give true or false", "duration": "duration, such as 30s or 1h",
	"float64": "number", "int": "whole number",
}

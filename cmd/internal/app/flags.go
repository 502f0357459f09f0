package app

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// flagTopics are the flags of `fairlead run`, in the order in which --help shows
// them.
var flagTopics = []struct {
	title string
	add   func(*Config, *pflag.FlagSet)
}{
	{"Configuration file", (*Config).addFileFlags},
	{"Members", (*Config).addMembersFlags},
	{"Resources", (*Config).addResourcesFlags},
	{"Selection", (*Config).addSelectionFlags},
	{"Sinks", (*Config).addSinksFlags},
	{"Limits of each cluster", (*Config).addFairnessFlags},
	{"Connections to members", (*Config).addConnectionsFlags},
	{"Ledger", (*Config).addMemoryFlags},
	{"High availability", (*Config).addElectionFlags},
	{"Observation and administration", (*Config).addServingFlags},
}

// addFlags adds the flags. Those that choose a kind by name list the kinds that o has.
func (c *Config) addFlags(f *pflag.FlagSet, o *Options) {
	for _, topic := range flagTopics {
		topic.add(c, f)
	}
	for name, table := range o.tables() {
		flag := f.Lookup(name)
		flag.Usage += "\n" + table.Help()
	}
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Value = lenient{flag.Value, flag.Name, c}
		if flag.DefValue == "[]" {
			flag.DefValue = "" // pflag leaves it out of --help only where it knows the type
		}
	})
}

// The texts below are those of --help and of docs/flags.md: what the flag does, its
// unit, and in the next lines why the default is what it is.

func (c *Config) addFileFlags(f *pflag.FlagSet) {
	f.Var(&c.File, "config", "YAML file with values for these flags, see docs/configuration-file.md. Flags of the command line win.\n"+
		"It is read again on SIGHUP and when it changes. Watches, sinks, rules and limits then change while the program runs;\n"+
		"the log and fairlead_config_restart_required say what needs a restart")
}

func (c *Config) addMembersFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Clusters, "clusters", nil, "where the member clusters are described; repeatable.\n"+
		"(default: the current context of the kubeconfig that kubectl would use, else the cluster that the Pod runs in)")
	f.Var(&c.IncludeHub, "include-hub", "name under which the hub is a member too; without it the hub is no member")
	f.StringVar(&c.HubKubeconfig, "hub-kubeconfig", "", "kubeconfig file whose current context is the hub.\n"+
		"(default: the Pod's service account, else as kubectl would find it)")
	f.StringVar(&c.AccessProviders, "cluster-profile-access-providers", "", "JSON file with the commands that get credentials for ClusterProfiles, as KEP-5339 defines it")
	f.DurationVar(&c.NameHold, "name-hold", fleet.DefaultNameHold, "how long a member's name is kept for its owner; 0 is not at all.\n"+
		"This holds for a Secret or ClusterProfile that is gone: no other one gets its name.\n"+
		"It also holds for a cluster while another cluster answers in its place: only then the objects of the old one are reported as deleted.\n"+
		"Longer than it takes to create a Secret again, or to correct an address")
}

func (c *Config) addResourcesFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Watches, "watch", nil, "resources to follow in every member; repeatable, comma-separated, required.\n"+
		"Each is resource[.group][/version][?namespace=...&labelSelector=...&fieldSelector=...&mode=metadata].\n"+
		"The resource is its plural, singular or short name, as in kubectl.\n"+
		"* is all resources, and *.GROUP all of a group: also those that come later")
	f.StringArrayVar(&c.WatchExcludes, "watch-exclude", nil, "resources that --watch '*' and '*.GROUP' leave out, resource[.group] or *.group; repeatable, comma-separated.\n"+
		"Whatever --watch names is followed. (default: none beside those that '*' leaves out by itself)")
	f.IntVar(&c.MaxStreams, "max-streams", sources.DefaultMaxStreams, "streams of one cluster, as far as '*' and '*.GROUP' make them; 0 is no bound.\n"+
		"Resources beyond it are left out, and /clusters shows them. Each stream is a connection and 90 KiB")
	f.BoolVar(&c.IncludeSecretValues, "include-secret-values", false, "deliver the values of Secrets; without it only their metadata leaves the member")
}

func (c *Config) addSinksFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.Sinks, "sink", []string{"stdout:"}, "where changes are delivered to; repeatable")
	f.StringVar(&c.DeadLetter, "dead-letter", "", "file for changes that a sink refuses permanently: JSON lines with reason, time and attempts.\n"+
		"Such a change then counts as accepted. The file is reopened on SIGHUP.\n"+
		"(default: none; a refused change is tried again without end, and the resume point waits for it)")
	f.IntVar(&c.Workers, "workers", stage.DefaultWorkers, "maximum number of concurrent deliveries to each sink, including those that wait for the ledger.\n"+
		"The size of a delivery follows from the sink's write times: up to 1,000 changes if any number takes the same time,\n"+
		"one change if each takes its own time, so that a change of a quiet cluster finds little ahead of it")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 20*time.Second, "how long waiting changes may still be delivered after SIGTERM.\n"+
		"A sink that hangs then costs 8s more at most. Kubernetes gives a Pod 30s by default; the manifests in deploy/ give it 60s")
}

func (c *Config) addFairnessFlags(f *pflag.FlagSet) {
	f.Float64Var(&c.ClusterQPS, "cluster-qps", 200, "changes per second that one cluster may deliver to each sink; 0 is no limit.\n"+
		"A flood of one cluster costs the others little. Objects of a snapshot do not count, see --cluster-snapshot-qps")
	f.IntVar(&c.ClusterBurst, "cluster-burst", 400, "changes that one cluster may deliver at once after a rest.\n"+
		"Two seconds at the default rate, so that a rollout is not delayed")
	f.Float64Var(&c.ClusterSnapshotQPS, "cluster-snapshot-qps", 0, "objects of snapshots per second that one cluster may deliver to each sink; 0 is no limit.\n"+
		"They come after the live changes of every cluster, and use none of their tokens")
	f.StringArrayVar(&c.ClusterLimits, "cluster-limit", nil, "other limits for one cluster, NAME=QPS:BURST[:WEIGHT]; repeatable.\n"+
		"WEIGHT is its share of turns when several clusters are ready; it is 1 if left out")
	f.IntVar(&c.LaneCapacity, "lane-capacity", queue.DefaultLaneCapacity, "changes of one cluster that may wait for each sink, including refused ones that are tried again.\n"+
		"A full lane stops the reading of that cluster. Five seconds at the default rate")
	c.LaneBytes = queue.DefaultLaneBytes
	f.Var(&c.LaneBytes, "lane-bytes", "memory for the changes of one cluster that wait or are being delivered, in bytes, such as 16Mi.\n"+
		"Bounds what --lane-capacity large objects would take")
	f.Var(&c.MemoryBudget, "memory-budget", "memory for all changes that are read, wait or are being delivered, over all clusters and sinks, in bytes, such as 1Gi.\n"+
		"It is at least 16Mi and 33Mi more for each sink. Half of it is divided among the lanes, a quarter among the sinks; the rest goes where it is needed.\n"+
		"(default: half of GOMEMLIMIT, else half of the container's memory limit, else 512Mi)")
	f.IntVar(&c.MaxObjects, "max-objects", sources.DefaultMaxObjects, "objects of one cluster that the ledger may know for each sink, over all of --watch; 0 is no bound.\n"+
		"Objects beyond it are left out, and the cluster's streams report that. The other clusters are not affected")
	c.MaxLedgerBytes = sources.DefaultMaxLedgerBytes
	f.Var(&c.MaxLedgerBytes, "max-ledger-bytes", "bytes that the objects of one cluster may take in the ledger, 64 bytes and the name for each; 0 is no bound.\n"+
		"Twice what 500,000 ordinary objects take. In the file they may take four times as much")
}

func (c *Config) addConnectionsFlags(f *pflag.FlagSet) {
	f.Float64Var(&c.APIQPS, "api-qps", connection.DefaultQPS, "requests per second to one member's API server.\n"+
		"Streams need few; this bounds discovery and lists after a reconnect")
	f.IntVar(&c.APIBurst, "api-burst", connection.DefaultBurst, "requests to one member's API server at once after a rest.\n"+
		"Enough to start 20 streams without waiting")
	f.DurationVar(&c.ConnectTimeout, "connect-timeout", connection.DefaultConnectTimeout, "how long a member may take to accept a connection, and to answer a probe.\n"+
		"Longer than a slow TLS handshake over a bad line")
	f.DurationVar(&c.ReconnectMin, "reconnect-min", connection.DefaultReconnectMin, "upper bound of the first reconnect delay; the bound doubles each time, and the delay is random below it.\n"+
		"A restarted API server is back in seconds")
	f.DurationVar(&c.ReconnectMax, "reconnect-max", connection.DefaultReconnectMax, "longest reconnect delay, of a member that answers and refuses.\n"+
		"A member that does not answer is asked every 5s whether it does")
	f.DurationVar(&c.SyncTimeout, "sync-timeout", stream.DefaultSyncTimeout, "how long a snapshot may take, not counting the time for which its own lane is full.\n"+
		"Longer than the largest lists take")
	f.DurationVar(&c.StaleAfter, "stale-after", stream.DefaultStaleAfter, "silence after which a watch counts as stale and is reopened.\n"+
		"API servers send a bookmark about every minute. A watch of a resource without bookmarks is asked to end sooner")
	f.IntVar(&c.RouteExtraWatches, "route-extra-watches", sources.DefaultExtraWatches, "watches that sinks which are behind may have beside the shared one, of each resource of each cluster, for each --watch of it.\n"+
		"If more are behind, they take turns of 30s, or of 5m in a snapshot")
	f.IntVar(&c.MaxConcurrentSnapshots, "max-concurrent-snapshots", sources.DefaultMaxConcurrentSnapshots, "snapshots that may start at once, over all clusters.\n"+
		"Keeps a restart from listing everything everywhere at once")
}

func (c *Config) addMemoryFlags(f *pflag.FlagSet) {
	f.StringVar(&c.Ledger, "ledger", defaultLedger, "store that remembers what was delivered, so that a restart neither repeats nor misses anything")
	f.DurationVar(&c.LedgerRetention, "ledger-retention", ledger.DefaultRetention, "how long a cluster that left the fleet is remembered, and a resource that is not watched any more.\n"+
		"After that the objects of such a resource are reported as deleted. Longer than a cluster stays away for repairs")
	f.DurationVar(&c.AuditInterval, "audit-interval", stream.DefaultAuditInterval, "how often what was delivered is compared with what a member holds, give or take a fifth; 0 is never.\n"+
		"One audit costs one list of metadata, of whole objects where rules need them")
}

func (c *Config) addElectionFlags(f *pflag.FlagSet) {
	f.BoolVar(&c.LeaderElect, "leader-elect", false, "deliver only while this process holds a lock, so that another process can stand by")
	f.StringVar(&c.LeaderElectLock, "leader-elect-lock", defaultLock, "the lock. Processes that share a ledger must share it.\n"+
		"The scheme alone is the Lease that the next two flags name")
	f.StringVar(&c.LeaderElectionID, "leader-election-id", defaultLeaseName, "name of the Lease. Processes that share a ledger must share it")
	f.StringVar(&c.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease.\n"+
		"(default: the namespace of the Pod)")
	f.DurationVar(&c.LeaderElection.LeaseDuration, "leader-election-lease-duration", 15*time.Second, "how long followers wait for a leader that does not renew the lock; whole seconds.\n"+
		"Longer than an API server takes to restart")
	f.DurationVar(&c.LeaderElection.RenewDeadline, "leader-election-renew-deadline", 10*time.Second, "age of the last renewal at which the leader stops delivering and exits.\n"+
		"The rest of the lease duration is the time that a write under way has to end")
	f.DurationVar(&c.LeaderElection.RetryPeriod, "leader-election-retry-period", 2*time.Second, "pause between two requests about the lock.\n"+
		"Leaves time for several before the renew deadline")
	f.StringVar(&c.AdvertiseAddress, "advertise-address", "", "HOST or HOST:PORT at which others reach --health-probe-bind-address of this process. Followers show the leader's.\n"+
		"(default: not shown)")
	f.StringVar(&c.LeaderLabel, "leader-label", "", "NAMESPACE/NAME of the Pod of this process, which gets the label "+roleLabel+"="+leaderRole+" in the hub while it leads.\n"+
		"(default: none)")
}

func (c *Config) addServingFlags(f *pflag.FlagSet) {
	f.StringVar(&c.MetricsBindAddress, "metrics-bind-address", ":8080", "address of /metrics; 0 serves none")
	f.IntVar(&c.MetricsMaxClusters, "metrics-max-clusters", 0, "clusters that /metrics has series of; 0 is no bound.\n"+
		"The series of others are left out, and fairlead_metrics_clusters_left_out counts them.\n"+
		"With one stream and one sink a cluster has about 100 series, see docs/metrics.md")
	f.StringVar(&c.HealthProbeBindAddress, "health-probe-bind-address", ":8081", "address of /healthz, /readyz and /clusters; 0 serves none")
	f.StringVar(&c.AdminBindAddress, "admin-bind-address", ctl.DefaultAddress, "address for commands such as fairlead pause and fairlead replay; 0 serves none.\n"+
		"It is unauthenticated: keep it on loopback")
	f.StringVar(&c.MemberStatus, "member-status", "", "namespace of the hub in which each member has a MemberCluster that tells where it stands, for kubectl get and kubectl wait.\n"+
		"See docs/member-clusters.md. (default: none)")
	f.StringVar(&c.TraceEndpoint, "trace-endpoint", "", "where traces of changes are sent by OTLP over HTTP: otlp:http://HOST[:PORT][/PATH], or with https.\n"+
		"Parameters are token-file=, header-file=, ca=, cert=, key= and server-name=. See docs/tracing.md. (default: nothing is traced)")
	f.Float64Var(&c.TraceRatio, "trace-ratio", 0.01, "which part of all changes is traced with --trace-endpoint, from 0 to 1.\n"+
		"No more than 100 changes per second are traced, whatever this says")
	f.DurationVar(&c.TraceLag, "trace-lag", 10*time.Second, "changes that are not delivered this long after they were observed are traced anyhow; 0 is none.\n"+
		"Far longer than a healthy sink takes, so that they are few")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
}

// lenient is a flag's value whose errors are told together with all others,
// rather than being the end of parsing.
type lenient struct {
	pflag.Value
	flag string
	of   *Config
}

// Set notes what cannot be read, and leaves the value as it was: what pflag puts
// there instead, zero, would be told to be wrong as well.
func (l lenient) Set(s string) error {
	l.of.given = append(l.of.given, givenFlag{l.flag, s})
	if l.Type() == "stringArray" {
		return l.Value.Set(s) // which takes everything
	}
	before := l.String()
	if err := l.Value.Set(s); err != nil {
		if what := kindsOfValues[l.Type()]; what != "" && !errors.Is(err, strconv.ErrRange) {
			err = errors.New("no " + what)
		}
		l.of.unreadable.add(l.flag, "%q: %w", s, err)
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

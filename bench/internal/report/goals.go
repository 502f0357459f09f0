package report

const ours = "fairlead"

// row is a benchmark with its goals.
type row struct {
	benchmark string
	title     string
	what      string // what is measured, and against what
	goals     []goal
}

// goal is what one unit of our cases has to be.
type goal struct {
	says string
	unit string
	impl string // of ours; "" means fairlead
	peer string // the implementation to compare with; "" if there is a limit instead
	// most is how many times the peer's figure, or what figure, ours may have.
	most float64
	// limitUnit is the unit of the same benchmark that is the limit instead.
	limitUnit string
	cases     []string // labels
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

var (
	queueCases = []string{"clusters=1/waiting=0", "clusters=1/waiting=100000", "clusters=1000/waiting=0", "clusters=1000/waiting=100000"}
	whole      = []string{""}
)

// rows are the table of goals, in its order.
var rows = []row{{
	benchmark: "Queue", title: "Queue: add, get, done",
	what: "One goroutine adds an item, gets one and is done with it; with one and with 1,000 clusters, with nothing and with 100,000 items waiting. " +
		"Against client-go's workqueue and controller-runtime's priority queue, with items of the same type and the same keys.",
	goals: []goal{
		{says: "not slower than the workqueue", unit: "ns/op", peer: "workqueue", most: 1, cases: queueCases},
		{says: "at least 8 times faster than the priority queue", unit: "ns/op", peer: "priorityqueue", most: 1.0 / 8, cases: queueCases},
		{says: "no allocation", unit: "allocs/op", most: 0, cases: queueCases},
	},
}, {
	benchmark: "NoisyNeighbour", title: "Noisy neighbour",
	what: "One cluster floods at 100 times the rate of each of 99 quiet ones; half as much again comes as the workers can do. " +
		"What items of the quiet ones wait, in simulated time, with each queue deciding who is next.",
	goals: []goal{
		{says: "a quiet one's 99th percentile at least 100 times lower than the workqueue's", unit: "p99-ns", peer: "workqueue", most: 1.0 / 100, cases: whole},
		{says: "and than the priority queue's", unit: "p99-ns", peer: "priorityqueue", most: 1.0 / 100, cases: whole},
	},
}, {
	benchmark: "FirstSync", title: "First sync",
	what: "Two simulated members with 2,000 ConfigMaps each, and one with 10,000: the time from the start until the sink has accepted all. " +
		"Against one dynamic informer for each member, whose handlers count.",
	goals: []goal{
		{says: "at most 1.2 times the informers' time", unit: "s/sync", peer: "dynamic", most: 1.2, cases: []string{"", "objects=10000"}},
	},
}, {
	benchmark: "LiveInSync", title: "Live changes during a first sync",
	what: "A simulated member with 10,000 ConfigMaps and a few Secrets is read for the first time, while objects are made: " +
		"how long it takes until they are with the sink. Those of the Secrets have a watch of their own. Those of the ConfigMaps come after the list, whoever reads it. " +
		"Against a dynamic informer for each resource, and before a sink that takes 5 ms for each change.",
	goals: []goal{
		{says: "those of the same resource wait at most as long as with informers, in the 99th percentile", unit: "same-p99-ns", peer: "dynamic", most: 1, cases: []string{"sink=null"}},
		{says: "those of another resource at most 100 ms", unit: "p99-ns", most: 100e6, cases: []string{"sink=null"}},
		{says: "before the slow sink at most its time for five changes, their own among them, and 20 ms until the ledger has stored them", unit: "p99-ns", limitUnit: "limit-ns", cases: []string{"sink=5ms-each"}},
	},
}, {
	benchmark: "Window", title: "Slow sinks under a flood",
	what: "One cluster floods a simulated sink that takes 50 ms or 200 ms for any batch, 5 ms for each change, 1 ms for any batch, or is a pipe of 300 changes/s. " +
		"The share of the sink's best rate that is left unused, and what changes of a quiet cluster wait. " +
		"Behind the pipe against what is written by hand: a goroutine and a channel for each cluster, and a lock around the pipe. " +
		"Changes are made in the process, and go through queue, stage and batcher. " +
		"With path=whole they come from two simulated members, 10,000 per second of the one that floods, through streams and a ledger in a file, and what they wait is from the write in the member on; by hand a goroutine watches each member. " +
		"With path=whole-new those of the quiet one are new objects, which the ledger stores first.",
	goals: []goal{
		{says: "at least 80% of what the sink could do", unit: "idle-share", most: 0.2, cases: append(slowSinks, "sink=1ms/path=whole", "sink=pipe/path=whole", "sink=pipe/path=whole-new")},
		{says: "a quiet one's 99th percentile at most twice the sink's own (as it measured its writes, own-p99-ns) and one batch", unit: "p99-ns", limitUnit: "limit-ns", cases: append(slowSinks, "sink=1ms/path=whole")},
		{says: "the same of what the writes are to take", unit: "p99-ns", limitUnit: "nominal-ns", cases: append(slowSinks, "sink=1ms/path=whole")},
		{says: "behind the pipe at most what it is by hand", unit: "p99-ns", peer: "handwritten", most: 1, cases: pipes},
		{says: "and 20 ms at the median", unit: "p50-ns", most: 20e6, cases: append(pipes, "sink=pipe/path=whole-new")},
	},
}, {
	benchmark: "StreamCPU", title: "Stream: the client's CPU per event",
	what: "20,000 objects of 2–3 KB from a real API server, first snapshot and live changes. " +
		"Against reading the same bytes and dropping them, and against informers.",
	goals: []goal{
		{says: "at most 1.25 times the bare reader", unit: "cpu-ns/event", peer: "bare", most: 1.25, cases: phases},
		{says: "at least 5 times less than the dynamic informer", unit: "cpu-ns/event", peer: "dynamic", most: 1.0 / 5, cases: phases},
		{says: "in metadata mode less than the metadata informer", unit: "cpu-ns/event", impl: "fairlead-metadata", peer: "metadata", most: 1, cases: phases},
	},
}, {
	benchmark: "Selection", title: "Rules: what they cost, and what they leave out",
	what: "What the watches of a simulated cluster of 200 nodes show in half an hour: its leases, nodes, pods and events, at published rates (bench/internal/trace). " +
		"The same through streams and ledger with rules and without: the difference. Pods are measured alone as well, as most events are of leases, which are small. " +
		"Where pods live for half a day instead of two, more of what comes is no heartbeat.",
	goals: []goal{
		{says: "the preset heartbeats leaves out at least 95%", unit: "delivered-share", most: 0.05, cases: []string{"rules=heartbeats/watches=all"}},
		{says: "a where of two comparisons takes at most 5 µs", unit: "more-cpu-ns/event", most: 5000, cases: []string{"rules=where/watches=all", "rules=where/watches=pods"}},
		{says: "changed with three paths takes at most 2 µs", unit: "more-cpu-ns/event", most: 2000, cases: []string{"rules=changed/watches=all", "rules=changed/watches=pods"}},
		{says: "rules for other resources allocate nothing (at most once in 100 events)", unit: "more-allocs/event", most: 0.01, cases: []string{"rules=others/watches=all", "rules=others/watches=pods"}},
		{says: "and take no time that can be measured (at most 0.3 µs)", unit: "more-cpu-ns/event", most: 300, cases: []string{"rules=others/watches=all", "rules=others/watches=pods"}},
		{says: "at most 8 B more in the ledger for each object", unit: "more-B/object", most: 8, cases: []string{"rules=digests"}},
	},
}, {
	benchmark: "EndToEnd", title: "End to end",
	what: "Real API server, stream, ledger, queue, workers and sink. Against the bare reader.",
	goals: []goal{
		{says: "at most 1.6 times the bare reader", unit: "cpu-ns/event", peer: "bare", most: 1.6, cases: []string{"sink=null", "sink=file"}},
	},
}, {
	benchmark: "Sink", title: "Sinks beside their own clients",
	what: "Each kind writes batches of changes of about 2.5 KB. Against the client library that it is made of, used directly at its best, with the same bytes on the same server, in turns. " +
		"Client and server share the machine. Kafka is a broker in the same process that drops what it takes; S3 is versitygw on the file system; CPU of OTLP's collector, of S3 and of the hub is the client's.",
	goals: []goal{
		{says: "at least 80% of its rate", unit: "ns/change", peer: "direct", most: 1 / 0.8, cases: sinkCases},
		{says: "at most 1.5 times its CPU", unit: "cpu-ns/change", peer: "direct", most: 1.5, cases: sinkCases},
	},
}, {
	benchmark: "Readers", title: "Fifty tails, fifty open pages",
	what: "The whole program delivers 2,000 changes per second, and as many as it can, while another process reads 50 tails, follows 50 pages of the status of 1,000 clusters, or does both. " +
		"In turns with rounds without readers.",
	goals: []goal{
		{says: "serving them takes less than 3% of the processors", unit: "readers-share", most: 0.03, cases: []string{
			"readers=tails/load=paced", "readers=tails/load=full", "readers=pages/load=paced", "readers=pages/load=full",
			"readers=both/load=paced", "readers=both/load=full",
		}},
		{says: "at full load the same processors deliver less than 3% fewer", unit: "more-cpu-share", most: 0.03, cases: []string{
			"readers=tails/load=full", "readers=pages/load=full", "readers=both/load=full",
		}},
		{says: "of a rate below saturation nothing is lost (at most 0.5%)", unit: "less-share", most: 0.005, cases: []string{"readers=tails/load=paced", "readers=pages/load=paced", "readers=both/load=paced"}},
	},
}, {
	benchmark: "Handover", title: "Traces that are off",
	what: "The stage hands bundles of 100 changes to a sink that takes no time, observed as in the program and with nothing traced. " +
		"In turns with a stage that nobody observes, which knows of no traces.",
	goals: []goal{
		{says: "tracing that is off costs nothing that can be measured (at most 1.1 times)", unit: "ns/change", peer: "direct", most: 1.1, cases: []string{"tracing=off"}},
	},
}, {
	benchmark: "HeapPerObject", title: "Heap per known object",
	what: "What remains in memory of each object that was delivered. Beside controller-runtime's caches of 100,000 objects of 2.6 KB; " +
		"a million of them would take gigabytes, and is not measured.",
	goals: []goal{
		{says: "at most 160 B", unit: "B/object", most: 160, cases: []string{"objects=100000", "objects=1000000"}},
		{says: "at most 64 B more for each further sink", unit: "more-B/object", most: 64, cases: []string{"objects=100000/routes=3", "objects=1000000/routes=3"}},
	},
}, {
	benchmark: "SnapshotPeak", title: "First snapshot: peak of the heap",
	what: "100,000 objects are listed for the first time: the highest heap above the final one.",
	goals: []goal{
		{says: "at most the lane's bytes and 16 MiB", unit: "peak-B", limitUnit: "limit-B", cases: whole},
	},
}, {
	benchmark: "StalledSink", title: "Stalled sink",
	what: "1,000,000 updates are offered while no sink accepts anything: growth of the heap, and bytes still read from the socket after the lane was full.",
	goals: []goal{
		{says: "heap growth at most the lane's bytes and 16 MiB", unit: "growth-B", limitUnit: "limit-B", cases: whole},
		{says: "the socket stops being read (at most 1 MiB, what buffers hold)", unit: "socket-B", most: mib, cases: whole},
	},
}, {
	benchmark: "Restart", title: "Restart",
	what: "A restart with 100,000 objects delivered, against a restart of the informer path.",
	goals: []goal{
		{says: "no LIST", unit: "lists/op", most: 0, cases: whole},
		{says: "no redelivery", unit: "redeliveries/op", most: 0, cases: whole},
		{says: "live in less than a tenth of the time", unit: "live-ns", peer: "informer", most: 1.0 / 10, cases: whole},
	},
}, {
	benchmark: "Fleet", title: "1,000 clusters",
	what: "1,000 clusters with two resources each, from simulated API servers, followed by one process. Beside one controller-runtime cache per cluster, " +
		"for 100 of them, whose CPU is multiplied by ten. CPU is that of the whole process, per second.",
	goals: []goal{
		{says: "at most 3 goroutines per stream", unit: "goroutines/stream", most: 3, cases: fleetPhases},
		{says: "at most 64 KiB of heap per idle stream", unit: "B/stream", most: 64 * kib, cases: []string{"phase=idle"}},
		{says: "CPU at rest near none (at most 1% of a core)", unit: "cpu-ns/s", most: 1e7, cases: []string{"phase=idle"}},
	},
}, {
	benchmark: "Reconnect", title: "Reconnect after a common cut",
	what: "1,000 clusters are cut off at once, for 3 seconds and for 5 minutes: half of them refuse, half are silent. " +
		"Their connections are the program's, on a simulated network and in simulated time. Beside backoff with full jitter alone.",
	goals: []goal{
		{says: "no second but the first with more than 5% of them dialing", unit: "worst-share", most: 0.05, cases: cuts},
		{says: "nor with more than 100 dials", unit: "worst-dials/s", most: 100, cases: cuts},
		{says: "all live within --reconnect-max and a tenth", unit: "late-share", most: 0, cases: cuts},
	},
}, {
	benchmark: "Outage", title: "Back after an outage",
	what: "Of 1,000 clusters 200 are cut off for 20 seconds, 1, 2 and 10 minutes, as above: how long after that the last one is back. " +
		"Beside backoff with full jitter alone.",
	goals: []goal{
		{says: "within 6 s", unit: "worst-ns", most: 6e9, cases: outages},
		{says: "with at most 100 dials in a second", unit: "worst-dials/s", most: 100, cases: outages},
	},
}}

var (
	phases    = []string{"phase=snapshot", "phase=live"}
	slowSinks = []string{"sink=50ms", "sink=200ms", "sink=5ms-each", "sink=1ms", "sink=pipe"}
	pipes     = []string{"sink=pipe", "sink=pipe/path=whole"}
	sinkCases = []string{
		"sink=postgres/what=new", "sink=postgres/what=next", "sink=http/what=structured", "sink=http/what=binary", "sink=http/what=batch",
		"sink=kafka/what=batch-500", "sink=kafka/what=batch-2000", "sink=nats/what=stream", "sink=nats/what=bucket", "sink=s3/what=segments",
		"sink=otlp/what=nowhere", "sink=otlp/what=collector", "sink=hub/what=metadata", "sink=hub/what=full",
	}
	fleetPhases = []string{"phase=idle", "phase=trickle"}
	cuts        = []string{"cut=3s", "cut=5m0s"}
	outages     = []string{"cut=20s", "cut=1m0s", "cut=2m0s", "cut=10m0s"}
)

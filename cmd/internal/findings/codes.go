package findings

import "github.com/fairlead-dev/fairlead/cmd/internal/api"

// Code is one thing that can be found.
type Code struct {
	Code     string // FL and four digits
	Severity api.Severity
	Title    string // in a few words
	Meaning  string
	Impact   string
	Do       string // one sentence: the first thing to do
	Commands []string
}

// Codes are all that there are, in the order of their numbers: FL10 is about clusters, FL11
// about streams, FL12 about lanes, FL13 about sinks, FL14 about the ledger, FL15 about the
// election, FL16 about the configuration, FL17 about the check
// itself.
func Codes() []Code { return codes }

var byCode = func() map[string]*Code {
	all := map[string]*Code{}
	for i := range codes {
		all[codes[i].Code] = &codes[i]
	}
	return all
}()

var codes = []Code{
	// Clusters.
	{
		Code: "FL1001", Severity: api.SeverityError, Title: "A cluster's description cannot be used",
		Meaning:  "A kubeconfig, or an object of the hub, that describes a cluster cannot be read, is refused, or claims a name that another one has.",
		Impact:   "A cluster that was never described well is not followed. One that was keeps its last good description.",
		Do:       "Correct the description that the cause names; it is read again within seconds.",
		Commands: []string{"kubectl config view --kubeconfig FILE"},
	},
	{
		Code: "FL1002", Severity: api.SeverityWarning, Title: "One cluster has two names",
		Meaning: "Two members have the same UID of the namespace kube-system.",
		Impact:  "What both follow is delivered twice, under both names.",
		Do:      "Take one of the two descriptions out.",
	},
	{
		Code: "FL1003", Severity: api.SeverityError, Title: "A cluster cannot be reached",
		Meaning:  "Nobody answers at its address, or not in time.",
		Impact:   "Nothing of the cluster arrives. It is tried again until it answers, and nothing is lost meanwhile.",
		Do:       "Check its address, the network, and a NetworkPolicy between it and Fairlead.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME get --raw /version"},
	},
	{
		Code: "FL1004", Severity: api.SeverityError, Title: "A cluster's certificate is not trusted",
		Meaning:  "The certificate that the API server shows is not one of the CA in the cluster's description, is for another name, or has expired.",
		Impact:   "Nothing of the cluster arrives. No credentials were sent.",
		Do:       "Put the CA that has signed the server's certificate into the description, or the name that the certificate is for into tls-server-name.",
		Commands: []string{"openssl s_client -connect HOST:PORT -showcerts </dev/null | openssl x509 -noout -issuer -dates -ext subjectAltName"},
	},
	{
		Code: "FL1005", Severity: api.SeverityError, Title: "A cluster does not accept the credentials",
		Meaning:  "The API server answers 401: the token or the certificate has expired, was revoked, or is another cluster's.",
		Impact:   "Nothing of the cluster arrives until it gets other credentials.",
		Do:       "Give the cluster's description credentials that are valid; a file that is replaced is read again by itself.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME auth whoami"},
	},
	{
		Code: "FL1006", Severity: api.SeverityError, Title: "A credential plugin gives no credentials",
		Meaning: "The command in the cluster's description (exec) fails, or does not end in time.",
		Impact:  "Nothing of the cluster arrives. A plugin that hangs is run again once it has ended.",
		Do:      "Run the plugin by hand, as the user that Fairlead runs as, and without a terminal.",
	},
	{
		Code: "FL1007", Severity: api.SeverityError, Title: "Something else than an API server answers",
		Meaning:  "What answers at the cluster's address is a proxy, a login page or another server.",
		Impact:   "Nothing of the cluster arrives. No answer of that kind is taken for the cluster's.",
		Do:       "Check the address, and what stands in front of the API server.",
		Commands: []string{"curl -ki https://HOST:PORT/version"},
	},
	{
		Code: "FL1008", Severity: api.SeverityError, Title: "Another cluster answers under this name",
		Meaning: "The UID of kube-system is another one than that of the cluster that has had the name.",
		Impact:  "Nothing of it arrives until --name-hold has passed. Then the cluster of before is taken for gone, and sinks are told that all its objects are deleted.",
		Do:      "If the cluster was replaced on purpose, wait for --name-hold; if not, correct the address at once.",
	},
	{
		Code: "FL1009", Severity: api.SeverityWarning, Title: "It is not certain which cluster answers",
		Meaning:  "The namespace kube-system cannot be read, and nothing else tells whether it is the cluster that has had the name.",
		Impact:   "Nothing of it arrives.",
		Do:       "Allow get of the namespace kube-system.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME auth can-i get namespace/kube-system"},
	},
	{
		Code: "FL1010", Severity: api.SeverityError, Title: "A cluster answers with errors",
		Meaning:  "The API server, or what stands in front of it, answers 429 or 5xx.",
		Impact:   "Nothing of the cluster arrives until it recovers.",
		Do:       "Look at the API server's own health and load.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME get --raw '/readyz?verbose'"},
	},
	{
		Code: "FL1011", Severity: api.SeverityError, Title: "A cluster's client configuration cannot be used",
		Meaning: "No request can be made with what the description says: a certificate without its key, for example.",
		Impact:  "Nothing of the cluster arrives until its description is corrected.",
		Do:      "Correct what the cause names in the description.",
	},
	{
		Code: "FL1012", Severity: api.SeverityWarning, Title: "A cluster has fallen silent",
		Meaning: "A call failed, or a stream heard nothing for too long, and the cluster has not answered a probe since.",
		Impact:  "What has changed there since may not have arrived.",
		Do:      "Wait for the probe: then the cluster is live again, or the reason is told.",
	},
	{
		Code: "FL1013", Severity: api.SeverityWarning, Title: "A cluster, a resource or a route is paused",
		Meaning: "An operator has paused it with `fairlead pause`, or a cluster's description has the annotation `fairlead.dev/paused`.",
		Impact:  "Nothing of it arrives until it is resumed. Nothing is lost meanwhile.",
		Do:      "Resume it with `fairlead resume` when what it was paused for is done, or take the annotation away.",
	},
	{
		Code: "FL1014", Severity: api.SeverityWarning, Title: "A cluster has not answered yet",
		Meaning: "The first attempt to connect is under way for longer than ten seconds.",
		Impact:  "Nothing of the cluster has arrived yet.",
		Do:      "Wait for --connect-timeout, and check again; the address, the network or a credential plugin may be the cause.",
	},
	{
		Code: "FL1015", Severity: api.SeverityWarning, Title: "There is no cluster",
		Meaning: "Nothing that --clusters names describes a cluster.",
		Impact:  "Nothing is followed.",
		Do:      "Check what --clusters names; a cluster that is described later joins by itself.",
	},
	{
		Code: "FL1020", Severity: api.SeverityWarning, Title: "Credentials expire soon",
		Meaning: "A token, a client certificate or a CA in a cluster's description ends within seven days, or within a fifth of the time for which it was made, and is not read from a token file.",
		Impact:  "When it ends, nothing of the cluster arrives any more.",
		Do:      "Renew it, or have the description name a file that is renewed.",
	},
	{
		Code: "FL1021", Severity: api.SeverityError, Title: "Credentials have expired",
		Meaning: "A token, a client certificate or a CA in a cluster's description has ended.",
		Impact:  "The cluster refuses new connections, or will soon.",
		Do:      "Renew it.",
	},
	{
		Code: "FL1022", Severity: api.SeverityWarning, Title: "An API server's certificate expires soon",
		Meaning:  "The certificate that the server shows ends within seven days, or within a fifth of the time for which it was made.",
		Impact:   "When it ends, the cluster cannot be reached any more.",
		Do:       "Renew the certificate of the API server.",
		Commands: []string{"kubeadm certs check-expiration"},
	},
	{
		Code: "FL1023", Severity: api.SeverityWarning, Title: "Clocks differ",
		Meaning:  "The clock of a cluster's API server and that of this machine differ by more than 30 seconds.",
		Impact:   "Tokens and certificates count as not yet valid, or as expired; times in events are wrong; a lock whose safety rests on clocks is less safe.",
		Do:       "Synchronise the clock of the machine that the cause names as wrong, with NTP.",
		Commands: []string{"timedatectl"},
	},
	{
		Code: "FL1024", Severity: api.SeverityWarning, Title: "A cluster is older than what is supported",
		Meaning: "Its API server is of a version before Kubernetes 1.26, with which Fairlead is not tested.",
		Impact:  "Snapshots are read in pages, discovery takes many requests, and what is not tested may fail.",
		Do:      "Upgrade the cluster.",
	},
	{
		Code: "FL1025", Severity: api.SeverityWarning, Title: "A cluster answers slowly",
		Meaning: "The cheapest request takes longer than two seconds.",
		Impact:  "Changes of the cluster arrive late, and snapshots take long.",
		Do:      "Look at the network and at the load of the API server.",
	},
	{
		Code: "FL1026", Severity: api.SeverityWarning, Title: "A cluster could not be asked",
		Meaning: "It is live, and did not answer the questions of this check.",
		Impact:  "Nothing is known of its clock, its certificates and what it allows.",
		Do:      "Check again; if it stays, look at the load of the API server.",
	},
	// Streams.
	{
		Code: "FL1101", Severity: api.SeverityError, Title: "A resource may not be listed or watched",
		Meaning:  "RBAC, or another authorizer of the cluster, forbids list or watch of a resource.",
		Impact:   "Nothing of the resource arrives. It begins by itself once it is allowed.",
		Do:       "Allow list and watch of the resource to the user of the cluster's description, or leave it out with --watch-exclude.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME auth can-i list RESOURCE --all-namespaces"},
	},
	{
		Code: "FL1102", Severity: api.SeverityWarning, Title: "A resource is not served",
		Meaning:  "The cluster does not serve the resource: its CRD or its API server is not installed.",
		Impact:   "Nothing of the resource arrives. It begins by itself once it is installed. What sinks have of it is held.",
		Do:       "Install it, or leave it out of --watch.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME api-resources"},
	},
	{
		Code: "FL1103", Severity: api.SeverityError, Title: "A resource's name has several meanings",
		Meaning: "Several API groups of the cluster have a resource of that name.",
		Impact:  "Nothing of the resource arrives.",
		Do:      "Write the group in --watch: resource.group.",
	},
	{
		Code: "FL1104", Severity: api.SeverityError, Title: "Some API groups cannot be read",
		Meaning:  "An API server behind the cluster's own does not answer, and the resource may be one of its.",
		Impact:   "Nothing of the resource arrives.",
		Do:       "Look at the aggregated APIs of the cluster.",
		Commands: []string{"kubectl --kubeconfig FILE --context NAME get apiservices"},
	},
	{
		Code: "FL1105", Severity: api.SeverityError, Title: "Two streams would follow the same objects",
		Meaning: "Two values of --watch mean the same resource in this cluster.",
		Impact:  "Only one of them is followed.",
		Do:      "Take one of the two out of --watch.",
	},
	{
		Code: "FL1106", Severity: api.SeverityError, Title: "A stream does not run",
		Meaning: "The cluster is live, and a list or watch of the resource fails.",
		Impact:  "Nothing of the resource arrives until it succeeds. Nothing is lost.",
		Do:      "Look at the reason in docs/troubleshooting.md; it is tried again by itself.",
	},
	{
		Code: "FL1107", Severity: api.SeverityError, Title: "A cluster refuses what a stream asks for",
		Meaning: "The API server does not accept the request, for example a field selector that it does not know.",
		Impact:  "Nothing of the resource arrives.",
		Do:      "Correct the selector in --watch.",
	},
	{
		Code: "FL1108", Severity: api.SeverityWarning, Title: "Frames of a watch were not handed on",
		Meaning: "The cluster has sent what is no sound object: without identity, of another kind, or not readable for every decoder. It is told as long as that is so of the newest state of an object, and for fifteen minutes after the last such frame.",
		Impact:  "Those states were not delivered, or without their contents.",
		Do:      "Look at the log and at fairlead_frames_rejected_total for the reason, and at what stands in front of the API server.",
	},
	{
		Code: "FL1109", Severity: api.SeverityWarning, Title: "An audit has found differences",
		Meaning:  "What the ledger knew was not what the cluster has. A snapshot has been begun that repairs it. It is told for an hour after the last one.",
		Impact:   "Sinks did not have what they should have until that snapshot is delivered. It has no business to happen: an etcd that was restored from a backup is the known cause.",
		Do:       "Find out whether the cluster was restored; if not, report it with the log, because it is a bug.",
		Commands: []string{"fairlead check --deep"},
	},
	{
		Code: "FL1110", Severity: api.SeverityWarning, Title: "A filter cannot be evaluated",
		Meaning:  "An expression of where= fails on some objects. It is told as long as that is so of the newest state of an object, and for fifteen minutes after the last failure.",
		Impact:   "Those objects are delivered, as if they were selected.",
		Do:       "Correct the expression: ask with has() whether a field is there before it is used.",
		Commands: []string{"fairlead filter test --help"},
	},
	{
		Code: "FL1111", Severity: api.SeverityInfo, Title: "A route selects nothing of a stream",
		Meaning:  "Everything that was read of the resource has been filtered out.",
		Impact:   "The sink gets nothing of it.",
		Do:       "Nothing, if that is meant; else correct the filters of the sink.",
		Commands: []string{"fairlead filter test --help"},
	},
	{
		Code: "FL1112", Severity: api.SeverityWarning, Title: "A wildcard stands for more than there is room for",
		Meaning: "The cluster serves more resources than --max-streams allows.",
		Impact:  "Some of them are not followed.",
		Do:      "Raise --max-streams, or leave resources out with --watch-exclude.",
	},
	{
		Code: "FL1113", Severity: api.SeverityInfo, Title: "An audit could not be made",
		Meaning:  "The stream was not live, was interrupted, or changes were under way for too long.",
		Impact:   "Whether it differs is not known.",
		Do:       "Ask again once the stream is live.",
		Commands: []string{"fairlead check --deep"},
	},
	// Lanes.
	{
		Code: "FL1201", Severity: api.SeverityWarning, Title: "A lane is full",
		Meaning: "As many changes of the cluster wait for the sink as may wait, so its stream is not read on.",
		Impact:  "Changes of the cluster arrive late in this sink. Other clusters and sinks are not held up.",
		Do:      "Look at what holds the lane up: the sink, or the cluster's limit (--cluster-qps, --cluster-limit).",
	},
	{
		Code: "FL1202", Severity: api.SeverityWarning, Title: "A cluster is throttled",
		Meaning:  "For more than half of the time changes of the cluster waited for nothing but its rate limit.",
		Impact:   "Changes of the cluster arrive late.",
		Do:       "Raise --cluster-qps or the cluster's own limit, or find out what changes so often there.",
		Commands: []string{"curl -s localhost:8080/metrics | grep fairlead_throttled_seconds_total"},
	},
	{
		Code: "FL1203", Severity: api.SeverityWarning, Title: "Changes wait for long",
		Meaning: "The oldest change that a sink has not accepted is older than five minutes, and nothing else explains it.",
		Impact:  "The sink is behind by that much.",
		Do:      "Look at the sink's own load, and at the log.",
	},
	{
		Code: "FL1204", Severity: api.SeverityWarning, Title: "Somebody has limited a cluster, a resource or a route",
		Meaning:  "An operator has set a limit with `fairlead limits`, over what is declared.",
		Impact:   "Changes of it arrive late if there are more of them than the limit lets through. Nothing is lost.",
		Do:       "End it with `fairlead limits ... --reset` when what it was set for is done.",
		Commands: []string{"fairlead limits"},
	},
	// Sinks.
	{
		Code: "FL1301", Severity: api.SeverityError, Title: "A sink fails",
		Meaning: "The destination does not accept writes or, before the first one, checks: it is down, refuses the credentials, or lacks a table or topic.",
		Impact:  "Nothing arrives there. What waits is kept and delivered once it recovers. Other sinks go on.",
		Do:      "Look at the destination: the cause is its own answer.",
	},
	{
		Code: "FL1302", Severity: api.SeverityError, Title: "A sink refuses changes",
		Meaning: "The destination is well and does not accept some changes of a cluster. They are tried again.",
		Impact:  "Those changes do not arrive until they are accepted, or a newer state of the object is.",
		Do:      "Correct what the destination does not accept, or give --dead-letter, so that they are put aside.",
	},
	{
		Code: "FL1303", Severity: api.SeverityWarning, Title: "A sink is slow",
		Meaning:  "A write is under way for longer than two seconds.",
		Impact:   "Changes wait, and lanes fill.",
		Do:       "Look at the load of the destination, and at the network to it.",
		Commands: []string{"curl -s localhost:8080/metrics | grep fairlead_sink_write_seconds"},
	},
	{
		Code: "FL1304", Severity: api.SeverityWarning, Title: "There are dead letters",
		Meaning:  "The destination will never accept some changes as they are. They are in the file of --dead-letter until they are sent again.",
		Impact:   "The sink does not have the states of those objects.",
		Do:       "Look at why they were refused, and send them again once that is mended.",
		Commands: []string{"fairlead dead-letter list --dead-letter PATH", "fairlead dead-letter retry"},
	},
	{
		Code: "FL1305", Severity: api.SeverityError, Title: "A sink is not ready",
		Meaning: "The destination was asked without writing anything, and something is missing.",
		Impact:  "Writes will fail, or do.",
		Do:      "Do what the cause says.",
	},
	{
		Code: "FL1306", Severity: api.SeverityInfo, Title: "A sink was not asked",
		Meaning: "To ask it would have an effect on others: it is a named pipe, and its reader would see it end if it were opened and closed.",
		Impact:  "Whether the destination is ready is not known from this check. Deliveries are not held up by it.",
		Do:      "See that its reader runs.",
	},
	// The ledger.
	{
		Code: "FL1401", Severity: api.SeverityError, Title: "The ledger cannot be written",
		Meaning:  "Its volume is full, or does not answer, or another process has taken over.",
		Impact:   "Delivery pauses: nothing counts as delivered that is not stored.",
		Do:       "Make room on the volume, or mend what the cause names.",
		Commands: []string{"df -h FOLDER", "fairlead ledger compact --ledger PATH"},
	},
	{
		Code: "FL1402", Severity: api.SeverityError, Title: "A cluster has no more room in the ledger",
		Meaning: "It has as many objects in the ledger as it may have, and more were left out.",
		Impact:  "Objects that were left out are not delivered.",
		Do:      "Raise --max-objects or --max-ledger-bytes, or select less.",
	},
	{
		Code: "FL1403", Severity: api.SeverityWarning, Title: "A cluster's room in the ledger is almost used up",
		Meaning: "More than nine tenths of what it may have are taken.",
		Impact:  "When all is taken, new objects are not delivered.",
		Do:      "Raise --max-objects or --max-ledger-bytes, or select less.",
	},
	{
		Code: "FL1404", Severity: api.SeverityError, Title: "The ledger's volume is of no use",
		Meaning: "The user of Fairlead may not create files in the ledger's folder, or the volume supports no flock or fsync. The last two are tried by fairlead check --pre alone, with an empty file that it removes, unless a process that runs has the ledger.",
		Impact:  "Fairlead does not start.",
		Do:      "Use a volume that the user of Fairlead may write to, and that supports flock and fsync.",
	},
	{
		Code: "FL1405", Severity: api.SeverityWarning, Title: "The ledger's volume is almost full",
		Meaning:  "Less than 64 MiB are free.",
		Impact:   "When it is full, delivery pauses.",
		Do:       "Make room, or use a larger volume.",
		Commands: []string{"df -h FOLDER"},
	},
	{
		Code: "FL1406", Severity: api.SeverityWarning, Title: "Another process has the ledger",
		Meaning: "The file is locked: most likely Fairlead runs already.",
		Impact:  "A second process with this ledger does not start.",
		Do:      "Ask the program that runs, by fairlead check without --pre, or use another --ledger.",
	},
	// The election.
	{
		Code: "FL1501", Severity: api.SeverityInfo, Title: "A follower was asked",
		Meaning:  "The process that was asked does not lead, and the leader could not be asked from here. What is said is what a follower knows.",
		Impact:   "Nothing is known of clusters and sinks.",
		Do:       "Ask the leader.",
		Commands: []string{"kubectl exec POD -- fairlead check"},
	},
	{
		Code: "FL1502", Severity: api.SeverityError, Title: "There is no leader",
		Meaning: "Nobody holds the lock. For the first ten seconds of that it is of severity info, as in a rolling update one process hands over to another; unless no process has led for fifteen seconds within the last minute.",
		Impact:  "Nothing is delivered.",
		Do:      "Wait for the lease to run out; if it stays, look at the logs of the processes that take part.",
	},
	{
		Code: "FL1503", Severity: api.SeverityError, Title: "The lock cannot be read or renewed",
		Meaning: "The hub, or the store of the lock, does not answer or refuses.",
		Impact:  "A leader that cannot renew it stops before another one may lead. Until one leads, nothing is delivered.",
		Do:      "Look at the lock's store: the cause is its own answer.",
	},
	{
		Code: "FL1504", Severity: api.SeverityError, Title: "The ledger refuses the leader",
		Meaning: "The lock has given a lower fencing token than before, or another process has led since.",
		Impact:  "Nothing is delivered.",
		Do:      "If the lock's store was restored or made anew, run fairlead ledger forget --lock; see docs/high-availability.md.",
	},
	{
		Code: "FL1505", Severity: api.SeverityWarning, Title: "The leader does not deliver yet",
		Meaning: "It waits for the process that led before to let go of a file. For the first ten seconds of that it is of severity info, unless no process has led for fifteen seconds within the last minute.",
		Impact:  "Nothing is delivered until then.",
		Do:      "Find out why the process of before does not end.",
	},
	// The configuration.
	{
		Code: "FL1601", Severity: api.SeverityError, Title: "The configuration file cannot be applied",
		Meaning:  "The file has changed, and its values are refused.",
		Impact:   "The values of before stay in effect.",
		Do:       "Correct what the cause names.",
		Commands: []string{"fairlead config validate FILE"},
	},
	{
		Code: "FL1602", Severity: api.SeverityWarning, Title: "The configuration file needs a restart",
		Meaning: "Some values of the file take effect only when the program starts.",
		Impact:  "The values of before stay in effect for those.",
		Do:      "Restart Fairlead when it suits.",
	},
	{
		Code: "FL1603", Severity: api.SeverityWarning, Title: "Changing the settings takes long",
		Meaning: "For more than ten seconds nothing has been delivered, because the settings change.",
		Impact:  "Nothing is delivered until that is done.",
		Do:      "Look at what does not stop: the log names it.",
	},
	{
		Code: "FL1701", Severity: api.SeverityError, Title: "The check was cut short",
		Meaning: "Its time was over before all members, sinks and dead letters had been asked.",
		Impact:  "What was not asked may be wrong all the same.",
		Do:      "Give it more time with `--timeout`.",
	},
}

// pageOfCodes is where more is said of each code.
const pageOfCodes = "docs/findings.md"

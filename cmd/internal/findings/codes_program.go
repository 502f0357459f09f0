package findings

import "github.com/fairlead-dev/fairlead/cmd/internal/api"

// codesOfProgram are about what Fairlead does with that, and about Fairlead.
var codesOfProgram = []Code{
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
	{
		Code: "FL1307", Severity: api.SeverityError, Title: "A resource is watched for nothing",
		Meaning: "No sink keeps anything of it: records in the hub are not kept of Events, nor of records.",
		Impact:  "`fairlead run` does not start: each of its changes would be read, count as delivered, and be written nowhere.",
		Do:      "Leave it out of `--watch`, or add a sink that keeps it.",
	},
	{
		Code: "FL1308", Severity: api.SeverityInfo, Title: "A sink refuses whole batches",
		Meaning:  "The destination answers for a batch as a whole, and refused some for single changes. These are searched for, and changes of their clusters are written apart from those of others.",
		Impact:   "What is written apart has an eighth of the sink's time while others wait, so that it may arrive minutes late. Others are delayed little.",
		Do:       "Correct what the destination does not accept, or give --dead-letter, so that it is put aside. It ends within 32 minutes after the last refusal.",
		Commands: []string{"curl -s localhost:8080/clusters"},
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
		Meaning: "The hub, or the store of the lock, does not answer or refuses. Of a leader the cause says since when it has not renewed the lock, and when it stops delivering.",
		Impact:  "A leader that cannot renew it delivers until its time is over, ends before another one may lead, and is to be started again. Until one leads, nothing is delivered.",
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

// Package trace makes what the watches of one cluster show: of its nodes, leases, pods and
// events, in the order and with the bytes of an API server.
//
//	clock ──▶ node leases · component leases · node status · pods come and go · events expire
//	                                        │
//	                                        ▼
//	                     Resource{Initial, Live}: frames of a watch, for each resource
//
// It is no recording: the same seed gives the same trace. The rates are those that are
// published:
//
//   - A kubelet renews its Lease every 10 s, and reports the status of its node every 5
//     minutes if nothing changes (Kubernetes documentation, "Nodes", "Heartbeats":
//     https://kubernetes.io/docs/reference/node/node-status/#heartbeats).
//   - kube-controller-manager and kube-scheduler renew their leases every 2 s
//     (--leader-elect-retry-period), and each API server its own every 10 s.
//   - A host runs 30 containers (Sysdig 2019 Container Usage Report, the median:
//     https://tfir.io/sysdig-2019-report-highlights-growth-of-short-lived-containers/).
//   - A container lives for two days on average (Datadog 2018, over 700 million of them:
//     https://www.itopstimes.com/contain/8-surprising-facts-about-docker-adoption/).
//     Of containers that are counted when they end, more than half live for less than five
//     minutes (Sysdig 2019): a cluster of jobs has a shorter average, and more of what is no
//     heartbeat.
//   - An event is deleted after an hour (--event-ttl of kube-apiserver).
//
// What nobody publishes is chosen here: a pod's life shows in seven states and six events, and
// one start of ten brings an image that its node has not had, which shows in the node's status.
package trace
